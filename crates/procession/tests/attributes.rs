//! The attributes, and the suite, under the standard test harness.

mod suite;

/// The suite under this harness, one after the other.
mod over_the_harness {
    use super::suite;
    use std::sync::Mutex;

    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    macro_rules! tests {
        ($(suite::$name:ident),* $(,)?) => {
            $(#[procession::test]
            fn $name() {
                let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
                suite::$name();
            })*
        };
    }
    crate::suite!(tests);
}

mod attributes {
    use procession::{Pool, Process, Stdio};
    use std::io::Read;

    #[procession::test]
    fn a_test_starts_processes() {
        assert_eq!(Process::spawn(|a: u32, b: u32| a + b, (2, 3)).unwrap().join().unwrap(), 5);
    }

    #[procession::test]
    fn a_test_uses_a_pool() {
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.map(|n: u64| n * n, 0..10).unwrap()[9], 81);
    }

    #[procession::test]
    #[should_panic = "by itself"]
    fn a_test_may_panic() {
        panic!("by itself");
    }

    #[procession::test]
    fn output_of_a_process_is_its_own() {
        let mut process =
            Process::builder().stdout(Stdio::piped()).spawn(|| println!("only this"), ()).unwrap();
        let mut text = String::new();
        process.take_stdout().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "only this\n", "nothing of the harness");
        process.join().unwrap();
    }
}
