//! Finding a line of a sorted table without taking it apart.

/// The line whose first cell is `name`, in a table sorted by the bytes of that cell.
pub(super) fn line<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    let bytes = table.as_bytes();
    let (mut low, mut high) = (0, bytes.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = memchr::memrchr(b'\n', bytes.get(low..middle)?).map_or(low, |at| low + at + 1);
        let end = memchr::memchr(b'\n', bytes.get(start..)?).map_or(bytes.len(), |at| start + at);
        let line = table.get(start..end)?;
        match line.split('\t').next().unwrap_or_default().as_bytes().cmp(name.as_bytes()) {
            std::cmp::Ordering::Equal => return Some(line),
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}
