//! Makes a failing history short: steps are left out as long as it fails.

use super::Failure;
use super::player::Numbered;
use std::time::{Duration, Instant};

/// The longest that is spent on it.
const PATIENCE: Duration = Duration::from_secs(90);
/// So often a part is played, since a race may not come every time.
const TRIES: usize = 2;

/// The shortest history found, and how it failed. `play` plays steps until a moment. What is done is
/// printed, since it takes a while.
pub fn shrink(
    steps: &[Numbered],
    failure: Failure,
    play: &dyn Fn(&[Numbered], Instant) -> Option<Failure>,
) -> (Vec<Numbered>, Failure) {
    let deadline = Instant::now() + PATIENCE;
    let (mut best, mut failure) = (steps.to_vec(), failure);
    println!("qresync: making it short, for {} s at most", PATIENCE.as_secs());
    let mut chunk = best.len().div_ceil(2);
    while chunk > 0 {
        let (mut at, mut is_shorter) = (0, false);
        while at < best.len() {
            if Instant::now() > deadline {
                return (best, failure);
            }
            let mut fewer = best.clone();
            fewer.drain(at..(at + chunk).min(best.len()));
            let fails = || play(&fewer, deadline).filter(|failed| kind(failed) == kind(&failure));
            match (0..TRIES).find_map(|_| fails()) {
                Some(failed) => {
                    fewer.truncate(failed.at + 1);
                    println!("qresync: it fails by {} steps", fewer.len());
                    (best, failure, is_shorter) = (fewer, failed, true);
                }
                None => at += chunk,
            }
        }
        chunk = if chunk == 1 && is_shorter { 1 } else { chunk / 2 };
    }
    (best, failure)
}

/// The first words of a failure, without numbers: another one is another matter.
fn kind(failure: &Failure) -> String {
    let line = failure.what.lines().next().unwrap_or_default();
    line.split(['(', '{']).next().unwrap_or(line).replace(|c: char| c.is_ascii_digit(), "")
}
