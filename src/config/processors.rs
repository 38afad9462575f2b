//! How many processors this process may use: the default size of a pool.
//!
//! The smaller of the scheduler's affinity mask and the control group's quota, rounded up. The
//! standard library's `available_parallelism` reads the same two but rounds the quota down, so that
//! 1.5 processors would make one worker and leave a third of what is paid for idle; it is asked
//! only where the mask cannot be read (more than 1,024 processors).

use std::fs;
use std::path::{Path, PathBuf};

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use crate::sys::group_folders;

/// At least one.
pub fn usable() -> usize {
    affinity().min(quota(&group_folders("cpu")).unwrap_or(usize::MAX)).max(1)
}

fn affinity() -> usize {
    let counted = sched_getaffinity(Pid::from_raw(0))
        .map(|set| (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).count());
    counted.unwrap_or_else(|_| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The tightest quota of these groups, in whole processors; `None` when nothing limits them.
fn quota(groups: &[PathBuf]) -> Option<usize> {
    groups.iter().filter_map(|folder| version_2(folder).or_else(|| version_1(folder))).min()
}

fn version_2(folder: &Path) -> Option<usize> {
    let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    whole(quota, period)
}

fn version_1(folder: &Path) -> Option<usize> {
    let quota = fs::read_to_string(folder.join("cpu.cfs_quota_us")).ok()?;
    let period = fs::read_to_string(folder.join("cpu.cfs_period_us")).ok()?;
    whole(quota.trim(), period.trim())
}

/// `max` and -1 are no quota.
fn whole(quota: &str, period: &str) -> Option<usize> {
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0 && period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn group(files: &[(&str, &str)]) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("written");
        }
        folder
    }

    fn tightest(groups: &[&TempDir]) -> Option<usize> {
        quota(&groups.iter().map(|group| group.path().to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn version_2_takes_the_tightest_above_and_rounds_up() {
        let own = group(&[("cpu.max", "max 100000\n")]);
        let above = group(&[("cpu.max", "150000 100000\n")]);
        let root = group(&[]);
        assert_eq!(tightest(&[&own, &above, &root]), Some(2));
        assert_eq!(tightest(&[&own, &root]), None);
        let tight = group(&[("cpu.max", "50000 100000\n")]);
        assert_eq!(tightest(&[&tight, &above]), Some(1));
    }

    #[test]
    fn version_1_reads_quota_and_period() {
        let period = ("cpu.cfs_period_us", "100000\n");
        assert_eq!(tightest(&[&group(&[("cpu.cfs_quota_us", "250000\n"), period])]), Some(3));
        assert_eq!(tightest(&[&group(&[("cpu.cfs_quota_us", "-1\n"), period])]), None);
    }

    #[test]
    fn there_is_always_one() {
        assert!(usable() >= 1);
    }
}
