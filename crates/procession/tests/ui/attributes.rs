#[procession::main(flavor = "x")]
fn main() {}

#[procession::test]
async fn later() {}

#[procession::test]
fn takes(_: u32) {}
