//! `start`, `stop` and `step`, as Python's slices have them.

use std::ops::Range;

use super::arguments::Arguments;
use super::error::ObjectError;

#[derive(Debug)]
pub(super) struct Slice {
    start: i64,
    stop: i64,
    step: i64,
}

impl Slice {
    /// The slice that was asked for, of so many; `None` if it was an index.
    pub fn of(arguments: &Arguments, length: usize) -> Result<Option<Self>, ObjectError> {
        let given = ["start", "stop", "step"].map(|name| arguments.integer(name));
        let [start, stop, step] = given;
        if arguments.integer("index").is_some() {
            if given.iter().any(Option::is_some) {
                return Err(ObjectError::invalid("index", "give index, or start, stop and step"));
            }
            return Ok(None);
        }
        if given.iter().all(Option::is_none) {
            return Err(ObjectError::invalid(
                "index",
                "the member index is missing (or start, stop and step)",
            ));
        }
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(ObjectError::raised("ValueError", "slice step cannot be zero"));
        }
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
        let clamp = |at: i64| if at < 0 { at.saturating_add(length) } else { at }.clamp(least, most);
        let start = start.map_or(if step > 0 { 0 } else { most }, clamp);
        let stop = stop.map_or(if step > 0 { length } else { -1 }, clamp);
        Ok(Some(Self { start, stop, step }))
    }

    /// From `start` up to `stop`, of so many.
    pub fn bounds(arguments: &Arguments, length: usize) -> Range<usize> {
        let most = i64::try_from(length).unwrap_or(i64::MAX);
        let clamp = |at: i64| {
            let at = if at < 0 { at.saturating_add(most) } else { at }.clamp(0, most);
            usize::try_from(at).unwrap_or(0)
        };
        let start = arguments.integer("start").map_or(0, clamp);
        start..arguments.integer("stop").map_or(length, clamp).max(start)
    }

    /// The places in their order.
    pub fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let (stop, step) = (self.stop, self.step);
        let inside = move |at: &i64| if step > 0 { *at < stop } else { *at > stop };
        let next = move |at: &i64| at.checked_add(step).filter(inside);
        std::iter::successors(Some(self.start).filter(inside), next).filter_map(|at| usize::try_from(at).ok())
    }

    /// The places as a range, if they are one.
    pub fn range(&self) -> Option<Range<usize>> {
        let (start, stop) = (usize::try_from(self.start).ok()?, usize::try_from(self.stop).ok()?);
        (self.step == 1).then_some(start..stop.max(start))
    }
}
