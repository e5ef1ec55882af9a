fn main() -> procession::Result<()> {
    let names = procession::Mutex::new(String::new())?;
    drop(names);
    Ok(())
}
