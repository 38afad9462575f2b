//! Records by their items' indexes, in any order of arrival. Neighbours share one span, so that many small ones cost
//! little more than their text.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::{Joined, PIECE_BYTES_MIN};

/// What a span costs besides its text, approximately.
const SPAN_BYTES: usize = 192;

/// The records that came so far.
#[derive(Debug, Default)]
pub(super) struct ItemResults {
    /// By the index of the first.
    spans: BTreeMap<u64, Span>,
    bytes: usize,
}

/// Records of items that follow one another, with commas between.
#[derive(Debug)]
struct Span {
    /// One past the index of the last.
    end: u64,
    /// The length of all its text.
    bytes: usize,
    pieces: Vec<Bytes>,
    /// What follows the pieces.
    text: BytesMut,
}

impl ItemResults {
    /// Bytes that all of them cost, approximately.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the record of an item; of two for one item the first counts.
    pub fn put(&mut self, index: u64, record: &Bytes) {
        self.put_list(index, 1, record);
    }

    /// Takes the records of `count` items from the `index`th on, with commas between; of two for one item the first
    /// counts.
    pub fn put_list(&mut self, index: u64, count: u64, records: &Bytes) {
        let before = self.spans.range_mut(..=index).next_back();
        let start = match before {
            Some((_, span)) if span.end > index => return,
            Some((start, span)) if span.end == index => {
                span.push(count, records);
                self.bytes += records.len() + 1;
                *start
            }
            Some(_) | None => {
                self.spans.insert(index, Span::of(index, count, records));
                self.bytes += records.len() + SPAN_BYTES;
                index
            }
        };
        self.close_gap(start);
    }

    /// Merges a span with those that follow, until one is larger: so no text is copied often, and few spans are left
    /// at the end.
    fn close_gap(&mut self, start: u64) {
        while let Some((end, bytes)) = self.spans.get(&start).map(|own| (own.end, own.bytes)) {
            if self.spans.get(&end).is_none_or(|next| next.bytes > bytes) {
                return;
            }
            if let Some(next) = self.spans.remove(&end)
                && let Some(own) = self.spans.get_mut(&start)
            {
                own.append(next);
                self.bytes = (self.bytes + 1).saturating_sub(SPAN_BYTES);
            }
        }
    }

    /// One array of them all, in order, in pieces.
    pub fn finish(self) -> Vec<Bytes> {
        let mut joined = Joined::new();
        for span in self.spans.into_values() {
            joined.comma();
            span.pieces.into_iter().for_each(|piece| joined.add(piece));
            joined.add(span.text.freeze());
        }
        joined.finish()
    }
}

impl Span {
    fn of(index: u64, count: u64, records: &Bytes) -> Self {
        let mut span = Self { end: index, bytes: 0, pieces: Vec::new(), text: BytesMut::new() };
        span.add(count, records);
        span
    }

    fn push(&mut self, count: u64, records: &Bytes) {
        self.text.extend_from_slice(b",");
        self.bytes += 1;
        self.add(count, records);
    }

    fn add(&mut self, count: u64, records: &Bytes) {
        self.end += count;
        self.bytes += records.len();
        if records.len() >= PIECE_BYTES_MIN {
            self.close_text();
            self.pieces.push(records.clone());
        } else {
            self.text.extend_from_slice(records);
            if self.text.len() >= PIECE_BYTES_MIN {
                self.close_text();
            }
        }
    }

    fn append(&mut self, next: Self) {
        self.text.extend_from_slice(b",");
        self.end = next.end;
        self.bytes += 1 + next.bytes;
        if next.pieces.is_empty() {
            self.text.extend_from_slice(&next.text);
        } else {
            self.close_text();
            self.pieces.extend(next.pieces);
            self.text = next.text;
        }
    }

    fn close_text(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(std::mem::take(&mut self.text).freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(results: ItemResults) -> String {
        results.finish().iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
    }

    fn of(order: impl IntoIterator<Item = u64>, record: impl Fn(u64) -> String) -> ItemResults {
        let mut results = ItemResults::default();
        order.into_iter().for_each(|index| results.put(index, &Bytes::from(record(index))));
        results
    }

    #[test]
    fn any_order_gives_the_same_text() {
        let number = |index: u64| index.to_string();
        let wanted = format!("[{}]", (0..1_000).map(number).collect::<Vec<_>>().join(","));
        let swapped = (0..1_000).map(|index| index ^ 1);
        let halves = (0..500).flat_map(|index| [index, 500 + index]);
        let scattered = (0..1_000).map(|index| index * 7 % 1_000);
        for order in [
            (0..1_000).collect::<Vec<u64>>(),
            (0..1_000).rev().collect(),
            swapped.collect(),
            halves.collect(),
            scattered.collect(),
        ] {
            assert_eq!(text_of(of(order, number)), wanted);
        }
        assert_eq!(text_of(ItemResults::default()), "[]");
    }

    #[test]
    fn large_records_lie_between_small_ones() {
        let record = |index: u64| "x".repeat(if index.is_multiple_of(3) { PIECE_BYTES_MIN } else { 5 });
        let wanted = format!("[{}]", (0..40).map(record).collect::<Vec<_>>().join(","));
        assert!(text_of(of(0..40, record)) == wanted && text_of(of((0..40).rev(), record)) == wanted);
        assert!(text_of(of((0..40).map(|index| index * 11 % 40), record)) == wanted);
    }

    #[test]
    fn neighbours_cost_their_text_and_strays_more() {
        let number = |_: u64| "1".to_owned();
        for order in [(0..10_000).collect::<Vec<u64>>(), (0..10_000).map(|index| index ^ 1).collect()] {
            let results = of(order, number);
            assert_eq!(results.bytes(), 2 * 10_000 - 1 + SPAN_BYTES);
            assert_eq!(results.spans.len(), 1);
        }
        let strays = of((0..100).map(|index| index * 2), number);
        assert_eq!(strays.bytes(), 100 * (1 + SPAN_BYTES));
    }

    #[test]
    fn lists_of_any_length_stand_in_the_order_of_their_items() {
        let list = |first: u64, count: u64| {
            let texts: Vec<String> = (first..first + count).map(|index| index.to_string()).collect();
            Bytes::from(texts.join(","))
        };
        let wanted = format!("[{}]", String::from_utf8_lossy(&list(0, 1_000)));
        for step in [1, 7, 13] {
            let mut results = ItemResults::default();
            for nth in (0..100).map(|nth| nth * step % 100) {
                results.put_list(nth * 10, 10, &list(nth * 10, 10));
            }
            assert_eq!(text_of(results), wanted);
        }
    }

    #[test]
    fn whatever_the_order_few_spans_are_left_to_join() {
        const RECORDS: u64 = 1 << 14;
        let number = |_: u64| "1".to_owned();
        let backwards = of((0..RECORDS).rev(), number);
        let scattered = of((0..RECORDS).map(|index| index * 7_919 % RECORDS), number);
        // Each is larger than the one before it, or they would have been merged.
        let most = 2 * RECORDS.isqrt();
        for results in [backwards, scattered] {
            assert!((results.spans.len() as u64) < most, "{} spans", results.spans.len());
        }
    }

    #[test]
    fn the_first_of_two_records_counts() {
        let mut results = of([3, 4], |index| index.to_string());
        for index in [3, 4] {
            results.put(index, &Bytes::from_static(b"again"));
        }
        assert_eq!(text_of(results), "[3,4]");
    }
}
