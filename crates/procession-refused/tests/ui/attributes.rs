#[procession::main(flavor = "x")]
fn start() {}

#[procession::test]
async fn later() {}

#[procession::test]
fn takes(_: u32) {}

fn main() {}
