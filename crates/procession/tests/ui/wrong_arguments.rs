fn add(a: u32, b: u32) -> u32 {
    a + b
}

fn main() {
    procession::init();
    let _ = procession::Process::spawn(add, (1_u32,));
    let _ = procession::Process::spawn(|_: std::rc::Rc<u32>| (), (std::rc::Rc::new(1),));
}
