//! Ids of jobs that expired: so long is an expired job told from one that never was.
//!
//! Some twenty bytes an id. They are forgotten by groups, each of an hour or a fixed number of ids.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use super::id::JobId;

/// How long an id is remembered; up to an hour more.
const REMEMBERED: Duration = Duration::from_secs(86_400);
/// The ids of one group expired within this time.
const GROUP_TIME: Duration = Duration::from_secs(3_600);
/// Ids of a group: as many as a hash table of 65,536 places takes.
const GROUP_IDS_MAX: usize = 57_344;
/// Groups: about a million ids.
const GROUPS_MAX: usize = 18;

/// The ids, the latest group last.
#[derive(Debug, Default)]
pub(super) struct ExpiredIds(VecDeque<Group>);

#[derive(Debug)]
struct Group {
    begun: Instant,
    ids: HashSet<JobId>,
}

impl ExpiredIds {
    /// This one has expired.
    pub fn insert(&mut self, id: JobId, now: Instant) {
        let is_open =
            |group: &Group| group.ids.len() < GROUP_IDS_MAX && now.duration_since(group.begun) < GROUP_TIME;
        if !self.0.back().is_some_and(is_open) {
            self.0.push_back(Group { begun: now, ids: HashSet::new() });
        }
        if let Some(group) = self.0.back_mut() {
            group.ids.insert(id);
        }
        self.forget_old(now);
    }

    /// Whether this one has expired not long ago.
    pub fn contains(&self, id: JobId) -> bool {
        self.0.iter().any(|group| group.ids.contains(&id))
    }

    /// Forgets what expired long ago.
    pub fn forget_old(&mut self, now: Instant) {
        let is_old = |group: &Group| now.duration_since(group.begun) >= REMEMBERED + GROUP_TIME;
        while self.0.len() > GROUPS_MAX || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_remembered_for_a_day_and_a_little() {
        let start = Instant::now();
        let (first, second) = (JobId::new(), JobId::new());
        let mut expired = ExpiredIds::default();
        expired.insert(first, start);
        expired.insert(second, start + 2 * GROUP_TIME);
        expired.forget_old(start + REMEMBERED);
        assert!(expired.contains(first) && expired.contains(second));
        expired.forget_old(start + REMEMBERED + GROUP_TIME);
        assert!(!expired.contains(first) && expired.contains(second));
    }

    #[test]
    fn a_million_of_them_is_all() {
        let now = Instant::now();
        let mut expired = ExpiredIds::default();
        let first = JobId::new();
        expired.insert(first, now);
        for _ in 0..GROUP_IDS_MAX * GROUPS_MAX - 1 {
            expired.insert(JobId::new(), now);
        }
        assert!(expired.contains(first) && expired.0.len() == GROUPS_MAX);
        let last = JobId::new();
        expired.insert(last, now);
        assert!(!expired.contains(first) && expired.contains(last));
    }
}
