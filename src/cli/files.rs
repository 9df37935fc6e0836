//! Files: programs and data in, results out.

use crate::source::Loader;
use std::io::{Read, Write};
use std::path::Path;

/// Programs above this size are not programs.
const LARGEST_SOURCE: u64 = 64 << 20;
/// Data files above this size are not loaded.
const LARGEST_DATA: u64 = 1 << 32;

/// Files on disk, relative to the file that names them.
pub(super) struct Disk;

impl Loader for Disk {
    fn load(&self, from: &str, path: &str) -> Result<Vec<u8>, String> {
        let base = Path::new(from).parent().unwrap_or(Path::new(""));
        read(&base.join(path), LARGEST_DATA)
    }
}

fn read(path: &Path, largest: u64) -> Result<Vec<u8>, String> {
    let size =
        std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?.len();
    if size > largest {
        return Err(format!("{}: {size} bytes are more than {largest}", path.display()));
    }
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Name and text of a program; `-` is standard input.
pub(super) fn source(file: &str, stdin_name: &str) -> Result<(String, String), String> {
    let (name, bytes) = if file == "-" {
        let mut bytes = Vec::new();
        let mut input = std::io::stdin().take(LARGEST_SOURCE);
        input.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        (stdin_name, bytes)
    } else {
        (file, read(Path::new(file), LARGEST_SOURCE)?)
    };
    let text = String::from_utf8(bytes).map_err(|_| format!("{name}: this is not UTF-8 text"))?;
    Ok((name.to_owned(), text))
}

/// Whether a file may be created here: it is not there yet, or may be overwritten, and its folder exists.
pub(super) fn may_write(path: &Path, force: bool) -> Result<(), String> {
    let shown = path.display();
    if path.exists() && !force {
        return Err(format!("{shown} exists; use --force to overwrite it"));
    }
    if !folder(path).is_dir() {
        return Err(format!("cannot write {shown}: {} is no folder", folder(path).display()));
    }
    Ok(())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file as a whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<(), String> {
    write_with(path, force, |file| file.write_all(bytes))
}

/// The same, by a function.
pub(super) fn write_with(
    path: &Path,
    force: bool,
    content: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>,
) -> Result<(), String> {
    may_write(path, force)?;
    let (folder, shown) = (folder(path), path.display());
    let attempt = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        content(file.as_file_mut())?;
        file.as_file().sync_all()?;
        let file = file.persist(path).map_err(|error| error.error)?;
        readable(&file)?;
        Ok(())
    };
    attempt().map_err(|error| format!("cannot write {shown}: {error}"))
}

/// Bytes of memory that are free, where the system tells; 8 GiB otherwise.
pub(super) fn available_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes =
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kilobytes.map_or(8 << 30, |kilobytes| kilobytes * 1024)
}

/// Temporary files are private; results have the usual permissions.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}
