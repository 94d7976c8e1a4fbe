//! Names the source a release build was made of, so that the program knows whether it is the one that was rehearsed.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// What the behaviour of the program follows from.
const SOURCE: [&str; 4] = ["Cargo.lock", "Cargo.toml", "migrations", "src"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    for name in SOURCE {
        println!("cargo:rerun-if-changed={}", root.join(name).display());
    }
    let planted = env::var_os("CARGO_FEATURE_PLANTED_BUGS").is_some();
    let release = env::var_os("PROFILE").is_some_and(|profile| profile == "release");
    let name = if release && !planted { digest(&root)? } else { "unnamed".to_owned() };
    println!("cargo:rustc-env=RUNGWISE_SOURCE={name}");
    Ok(())
}

/// Hex of the SHA-256 over path, length and content of every file, in order of path.
fn digest(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for name in SOURCE {
        collect(root, Path::new(name), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for path in files {
        let bytes = fs::read(root.join(&path))?;
        let name = path.to_string_lossy().replace('\\', "/");
        hash.update(format!("{name} {}\n", bytes.len()));
        hash.update(&bytes);
    }
    Ok(HEXLOWER.encode(&hash.finalize()))
}

fn collect(root: &Path, path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !root.join(path).is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(root.join(path))? {
        collect(root, &path.join(entry?.file_name()), files)?;
    }
    Ok(())
}
