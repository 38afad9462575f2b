//! The table: a row's figures, its ratio, its goal and whether that is met, as Markdown.

use std::fmt::Write;

use crate::rounds::median;

/// How a figure is worded.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    RequestsPerSecond,
    ItemsPerSecond,
    Microseconds,
    Milliseconds,
    Mebibytes,
}

impl Unit {
    pub fn words(self, figure: f64) -> String {
        match self {
            Self::RequestsPerSecond => format!("{}/s", thousands(figure)),
            Self::ItemsPerSecond => format!("{:.2} M items/s", figure / 1e6),
            Self::Microseconds if figure < 1000.0 => format!("{figure:.0} µs"),
            Self::Microseconds | Self::Milliseconds => {
                let milliseconds = if matches!(self, Self::Microseconds) { figure / 1000.0 } else { figure };
                format!("{milliseconds:.1} ms")
            }
            Self::Mebibytes => format!("{figure:.1} MiB"),
        }
    }
}

fn thousands(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut words = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}

/// What is asked of a row.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// The ratio to the peer is so large or larger.
    AtLeast(f64),
    /// The ratio to the peer is so small or smaller.
    AtMost(f64),
    /// The figure itself is so small or smaller; there is no peer.
    Within(f64),
}

/// One line of the table. Figures are one per round; an error is why there are none.
pub struct Row {
    pub name: &'static str,
    pub work: &'static str,
    pub against: &'static str,
    pub unit: Unit,
    pub goal: Goal,
    pub ours: Result<Vec<f64>, String>,
    /// Unused by a row without a peer.
    pub theirs: Result<Vec<f64>, String>,
}

impl Row {
    /// What the goal speaks of, per round: the ratio to the peer, or the figure itself.
    fn judged(&self) -> Result<Vec<f64>, String> {
        let ours = self.ours.as_ref().map_err(|reason| format!("forkpool: {reason}"))?;
        if matches!(self.goal, Goal::Within(_)) {
            return Ok(ours.clone());
        }
        let theirs = self.theirs.as_ref().map_err(|reason| format!("its peer: {reason}"))?;
        Ok(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    fn met(&self) -> Result<bool, String> {
        let middle = median(&self.judged()?);
        Ok(match self.goal {
            Goal::AtLeast(goal) => middle >= goal,
            Goal::AtMost(goal) | Goal::Within(goal) => middle <= goal,
        })
    }

    fn line(&self) -> String {
        let figure = |side: &Result<Vec<f64>, String>| {
            side.as_ref().map_or_else(|_| "not measured".to_owned(), |list| self.unit.words(median(list)))
        };
        let ratio = |value: f64| format!("{value:.*}", if value < 2.0 { 3 } else { 2 });
        let (theirs, spread) = match (self.goal, self.judged()) {
            (Goal::Within(_), _) => (String::new(), String::new()),
            (_, Err(_)) => (figure(&self.theirs), String::new()),
            (_, Ok(list)) => {
                let low = list.iter().copied().fold(f64::INFINITY, f64::min);
                let high = list.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let spread = format!("{} × ({}–{})", ratio(median(&list)), ratio(low), ratio(high));
                (figure(&self.theirs), spread)
            }
        };
        let goal = match self.goal {
            Goal::AtLeast(goal) => format!("≥ {goal} ×"),
            Goal::AtMost(goal) => format!("≤ {goal} ×"),
            Goal::Within(goal) => format!("≤ {}", self.unit.words(goal)),
        };
        let met = match self.met() {
            Ok(true) => "met",
            Ok(false) => "**not met**",
            Err(_) => "**not measured**",
        };
        let ours = figure(&self.ours);
        format!("| {} | {} | {ours} | {theirs} | {spread} | {goal} | {met} |", self.work, self.against)
    }
}

/// The whole table. The ratio is the median of the rounds' ratios; the smallest and the largest follow it.
pub fn markdown(rows: &[Row]) -> String {
    let head = "| work | against | forkpool | the other | ratio (range) | goal | |\n\
                |---|---|---|---|---|---|---|";
    rows.iter().fold(head.to_owned(), |table, row| format!("{table}\n{}", row.line()))
}

/// What to know at once: which goals are missed and which rows have no answer, with reasons.
pub fn verdict(rows: &[Row]) -> String {
    let mut words = String::new();
    for row in rows {
        // Writing to a string does not fail.
        let _ = match row.met() {
            Ok(true) => continue,
            Ok(false) => {
                writeln!(words, "GOAL NOT MET: {} ({}, against: {})", row.name, row.work, row.against)
            }
            Err(reason) => writeln!(words, "NOT MEASURED: {} ({reason})", row.name),
        };
    }
    if words.is_empty() {
        "All goals of the rows above are met.".to_owned()
    } else {
        words.trim_end().to_owned()
    }
}
