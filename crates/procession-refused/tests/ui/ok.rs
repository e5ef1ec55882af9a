#[procession::main]
fn main() -> procession::Result<()> {
    let process = procession::Process::spawn(|a: u32| a + 1, (1,))?;
    assert_eq!(process.join()?, 2);
    Ok(())
}
