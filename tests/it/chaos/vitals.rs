//! What the proxy's process takes from the machine.

use std::fmt;

/// Memory and files of a process at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vitals {
    pub(super) rss_kib: u64,
    pub(super) files: u64,
}

impl Vitals {
    /// Those of the process `id`, which runs.
    pub(super) fn of(id: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        Self {
            rss_kib: rss.unwrap().parse().unwrap(),
            files: files.count().try_into().unwrap(),
        }
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB and {} files", self.rss_kib, self.files)
    }
}
