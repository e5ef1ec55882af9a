fn main() -> procession::Result<()> {
    let lock = procession::Mutex::new(0_u8)?;
    let guard = lock.lock()?;
    std::thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
    Ok(())
}
