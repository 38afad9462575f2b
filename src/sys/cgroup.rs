//! Which control groups this process is in (cgroups(7)).

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the groups that may hold this process's share of a resource (`cpu`, `memory`), from its own group up
/// to the root; those of version 1 first. In a container a group's path may not exist below the mount: then the mount
/// itself is the container's group. Which files are in a folder tells its version.
pub fn group_folders(controller: &str) -> Vec<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    folders(&groups, Path::new("/sys/fs/cgroup"), controller)
}

/// A line of `groups` is `4:cpu,cpuacct:/path` (version 1) or `0::/path` (version 2).
fn folders(groups: &str, mount: &Path, controller: &str) -> Vec<PathBuf> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        if controllers.is_empty() {
            second.extend(ancestors(mount, path));
        } else if controllers.split(',').any(|one| one == controller) {
            first.extend(ancestors(&mount.join(controllers), path));
            if controllers != controller {
                first.extend(ancestors(&mount.join(controller), path));
            }
        }
    }
    first.extend(second);
    first
}

fn ancestors(root: &Path, path: &str) -> impl Iterator<Item = PathBuf> {
    Path::new(path.trim_start_matches('/')).ancestors().map(|group| root.join(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(groups: &str, controller: &str) -> Vec<String> {
        let folders = folders(groups, Path::new("/m"), controller);
        folders.iter().map(|folder| folder.display().to_string().trim_end_matches('/').to_owned()).collect()
    }

    #[test]
    fn own_groups_come_before_those_above() {
        assert_eq!(told("0::/a/b\n", "memory"), ["/m/a/b", "/m/a", "/m"]);
        assert_eq!(told("0::/\n", "memory"), ["/m"]);
        assert_eq!(told("", "memory"), Vec::<String>::new());
        let both = "0::/\n5:memory:/docker\n4:cpu,cpuacct:/docker\n1:name=systemd:/docker\n";
        assert_eq!(told(both, "memory"), ["/m/memory/docker", "/m/memory", "/m"]);
        let folders = ["/m/cpu,cpuacct/docker", "/m/cpu,cpuacct", "/m/cpu/docker", "/m/cpu", "/m"];
        assert_eq!(told(both, "cpu"), folders);
    }
}
