//! Watchdog.
