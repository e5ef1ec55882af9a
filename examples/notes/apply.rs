//! Python: `apply` takes any function and any arguments; whether they fit and can be pickled turns out when it runs.
//! Here: that function, arguments and value fit together and can travel is checked when the program is compiled.

use procession::Pool;

fn square(n: u32) -> u32 {
    n * n
}

pub fn run() -> procession::Result<()> {
    let pool = Pool::new(5)?;
    for n in 0..10 {
        println!("{}", pool.apply(square, (n,))?);
    }
    Ok(())
}
