//! Prints the microseconds of each of N calls of `get_token`, for bench/clients.ts: CREDENTIAL N.

use authd::{Client, Error};
use std::env;
use std::time::Instant;

fn main() -> Result<(), Error> {
    let words: Vec<String> = env::args().skip(1).collect();
    let (credential, calls) = (words[0].as_str(), words[1].parse().unwrap_or(1));
    let client = Client::new();
    for _ in 0..calls / 10 {
        client.get_token(credential)?;
    }
    for _ in 0..calls {
        let started_at = Instant::now();
        client.get_token(credential)?;
        println!("{}", started_at.elapsed().as_nanos() as f64 / 1_000.0);
    }
    Ok(())
}
