//! Interleaved rounds: in each, every contender has one turn, so that what else the machine does hits all.
//!
//! A contender that fails is out, with the reason; the others go on.

use std::collections::BTreeMap;

/// Whether a turn's figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    WarmUp,
    Counted,
}

/// One measurement by one contender.
pub type Turn<'a, T> = Box<dyn FnMut(Phase) -> Result<T, String> + 'a>;

/// Who takes turns: its name and what a turn is, or why it cannot take part.
pub type Contender<'a, T> = (&'static str, Result<Turn<'a, T>, String>);

/// Each contender's figures, one per round, or why there are none.
pub type Figures<T> = BTreeMap<&'static str, Result<Vec<T>, String>>;

/// The median of what a turn repeats; once is enough to warm up.
pub fn repeated(
    phase: Phase,
    repeats: usize,
    mut once: impl FnMut() -> Result<f64, String>,
) -> Result<f64, String> {
    let repeats = if phase == Phase::WarmUp { 1 } else { repeats };
    Ok(median(&(0..repeats).map(|_| once()).collect::<Result<Vec<f64>, _>>()?))
}

/// Runs one warm-up round and `rounds` counted ones. `show` words a figure for the progress lines.
pub fn interleave<T>(
    rounds: usize,
    contenders: Vec<Contender<'_, T>>,
    show: impl Fn(&T) -> String,
) -> Figures<T> {
    let mut figures = Figures::new();
    let mut playing = Vec::new();
    for (name, turn) in contenders {
        match turn {
            Ok(turn) => {
                figures.insert(name, Ok(Vec::new()));
                playing.push((name, turn));
            }
            Err(reason) => leave(&mut figures, name, reason),
        }
    }
    for round in 0..=rounds {
        let phase = if round == 0 { Phase::WarmUp } else { Phase::Counted };
        playing.retain_mut(|(name, turn)| match turn(phase) {
            Ok(figure) => {
                if phase == Phase::Counted {
                    eprintln!("  round {round}/{rounds}  {name:<22} {}", show(&figure));
                    if let Some(Ok(list)) = figures.get_mut(name) {
                        list.push(figure);
                    }
                }
                true
            }
            Err(reason) => {
                leave(&mut figures, name, reason);
                false
            }
        });
    }
    figures
}

fn leave<T>(figures: &mut Figures<T>, name: &'static str, reason: String) {
    eprintln!("  SKIPPED {name}: {reason}");
    figures.insert(name, Err(reason));
}

/// One contender's series: a number of each round's figure.
pub fn series<T>(figures: &Figures<T>, name: &str, pick: impl Fn(&T) -> f64) -> Result<Vec<f64>, String> {
    match figures.get(name) {
        Some(Ok(list)) => Ok(list.iter().map(pick).collect()),
        Some(Err(reason)) => Err(reason.clone()),
        None => Err("it took no part".to_owned()),
    }
}

/// The middle one, or the mean of the middle two; NaN of nothing.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half), sorted.len() % 2) {
        (None, _) => f64::NAN,
        (Some(&middle), 1) => middle,
        (Some(&above), _) => f64::midpoint(sorted[half - 1], above),
    }
}
