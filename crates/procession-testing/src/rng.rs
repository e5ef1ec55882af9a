//! Random numbers with a printed seed.

/// xorshift64*: enough for choosing victims.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Seeded by `PROCESSION_SEED`, or by the clock; prints the seed, so that a failure can be had again.
    pub fn new(what: &str) -> Rng {
        let now = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |time| time.as_nanos() as u64)
        };
        let seed =
            std::env::var("PROCESSION_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(now);
        println!("{what}: PROCESSION_SEED={seed}");
        Rng::from_seed(seed)
    }

    /// For a process or thread that gets its seed from another one's numbers.
    pub fn from_seed(seed: u64) -> Rng {
        Rng(seed | 1)
    }

    /// A seed for another.
    pub fn seed(&mut self) -> u64 {
        self.below(usize::MAX) as u64
    }

    /// A number below `bound`, which isn't 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}
