fn main() {
    procession::init();
    let factor = std::process::id();
    let _ = procession::Process::spawn(move |n: u32| n * factor, (2,));
    let double: fn(u32) -> u32 = |n| n * 2;
    let _ = procession::Process::spawn(double, (2,));
}
