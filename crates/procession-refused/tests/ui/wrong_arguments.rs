fn add(a: u32, b: u32) -> u32 {
    a + b
}

fn main() {
    procession::init();
    let _ = procession::Process::spawn(add, (1_u32,));
}
