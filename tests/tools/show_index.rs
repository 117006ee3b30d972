//! Prints the index of a folder, and says what is wrong with it. Called by `scripts/show-index`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: show-index FOLDER-DIRECTORY");
        return ExitCode::from(2);
    };
    match postrider::testing::index(Path::new(&folder)) {
        Ok((text, faults, notes)) => {
            print!("{text}");
            notes.iter().for_each(|note| println!("note: {note}"));
            faults.iter().for_each(|fault| println!("fault: {fault}"));
            if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(e) => {
            eprintln!("show-index: {}: {e}", Path::new(&folder).display());
            ExitCode::from(2)
        }
    }
}
