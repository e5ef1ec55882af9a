fn main() {
    procession::init();
    let _ = procession::Process::spawn(|text: &str| text.len(), ("text",));
    let factor = std::process::id();
    let _ = procession::Process::spawn(|n: u32| n * factor, (2,));
}
