fn main() {
    procession::init();
    let factor = std::process::id();
    let _ = procession::Process::spawn(move |n: u32| n * factor, (2,));
}
