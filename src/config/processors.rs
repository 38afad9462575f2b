//! How many processors this process may use: the default size of a pool.
//!
//! The smaller of the scheduler's affinity mask and the control group's quota, rounded up. The
//! standard library's `available_parallelism` reads the same two but rounds the quota down, so that
//! 1.5 processors would make one worker and leave a third of what is paid for idle; it is asked
//! only where the mask cannot be read (more than 1,024 processors).

use std::fs;
use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// At least one.
pub fn usable() -> usize {
    let quota = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|groups| quota(&groups, Path::new("/sys/fs/cgroup")));
    affinity().min(quota.unwrap_or(usize::MAX)).max(1)
}

fn affinity() -> usize {
    let counted = sched_getaffinity(Pid::from_raw(0))
        .map(|set| (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).count());
    counted.unwrap_or_else(|_| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The tightest quota on the way from this process's group to the root, in whole processors; `None`
/// when nothing limits it.
fn quota(groups: &str, mount: &Path) -> Option<usize> {
    groups.lines().filter_map(|line| group_quota(line, mount)).min()
}

/// One line of `/proc/self/cgroup`: `0::/path` (version 2) or `4:cpu,cpuacct:/path` (version 1).
fn group_quota(line: &str, mount: &Path) -> Option<usize> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let path = path.trim_start_matches('/');
    if controllers.is_empty() {
        return tightest(mount, path, |folder| {
            let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
            let (quota, period) = text.trim().split_once(' ')?;
            whole(quota, period)
        });
    }
    if !controllers.split(',').any(|controller| controller == "cpu") {
        return None;
    }
    [controllers, "cpu"].iter().find_map(|hierarchy| {
        tightest(&mount.join(hierarchy), path, |folder| {
            let quota = fs::read_to_string(folder.join("cpu.cfs_quota_us")).ok()?;
            let period = fs::read_to_string(folder.join("cpu.cfs_period_us")).ok()?;
            whole(quota.trim(), period.trim())
        })
    })
}

/// Asks the group's folder and each above it. In a container the path may not exist below the
/// mount; the mount itself does.
fn tightest(root: &Path, path: &str, read: impl Fn(&Path) -> Option<usize>) -> Option<usize> {
    Path::new(path).ancestors().filter_map(|group| read(&root.join(group))).min()
}

/// `max` and -1 are no quota.
fn whole(quota: &str, period: &str) -> Option<usize> {
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0 && period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    #[test]
    fn version_2_takes_the_tightest_above_and_rounds_up() {
        let mount = tempfile::tempdir().expect("a folder");
        write(mount.path(), "a/cpu.max", "150000 100000\n");
        write(mount.path(), "a/b/cpu.max", "max 100000\n");
        assert_eq!(quota("0::/a/b\n", mount.path()), Some(2));
        assert_eq!(quota("0::/\n", mount.path()), None);
        write(mount.path(), "cpu.max", "50000 100000\n");
        assert_eq!(quota("0::/elsewhere/in/the/host\n", mount.path()), Some(1));
    }

    #[test]
    fn version_1_reads_quota_and_period() {
        let mount = tempfile::tempdir().expect("a folder");
        write(mount.path(), "cpu,cpuacct/docker/cpu.cfs_quota_us", "250000\n");
        write(mount.path(), "cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n");
        let groups = "5:memory:/docker\n4:cpu,cpuacct:/docker\n1:name=systemd:/docker\n";
        assert_eq!(quota(groups, mount.path()), Some(3));
        write(mount.path(), "cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n");
        assert_eq!(quota(groups, mount.path()), None);
    }

    #[test]
    fn there_is_always_one() {
        assert!(usable() >= 1);
    }
}
