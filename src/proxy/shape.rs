//! The index of a head, kept from one answer for the next that has the same names: hashing the names of a head costs several
//! times what a copy of its index does, and answers of one upstream to callers with the same limits do not differ in them.

use super::stage::PassedHeaders;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::cell::RefCell;

/// Shapes that a thread keeps; the oldest goes.
const KEPT: usize = 16;

/// Where names are put again: values are none of its business.
struct Shape {
    template: &'static HeaderMap,
    more: Box<[HeaderName]>,
    head: HeaderMap,
}

impl Shape {
    fn fits(&self, template: &'static HeaderMap, more: &PassedHeaders) -> bool {
        std::ptr::eq(self.template, template)
            && self.more.len() == more.len()
            && self.more.iter().zip(more).all(|(known, (name, _))| known == name)
    }

    /// `None` where a name stands twice: values would not come back in their order.
    fn of(template: &'static HeaderMap, more: &PassedHeaders) -> Option<Self> {
        let mut head = template.clone();
        for (name, _) in more {
            head.append(name, EMPTY);
        }
        let more = more.iter().map(|(name, _)| name.clone()).collect();
        (head.len() == head.keys_len()).then_some(Self { template, more, head })
    }
}

const EMPTY: HeaderValue = HeaderValue::from_static("");

#[derive(Default)]
struct Shapes {
    kept: Vec<Shape>,
    /// The next to go.
    oldest: usize,
}

thread_local! {
    static SHAPES: RefCell<Shapes> = RefCell::default();
}

impl Shapes {
    fn head(&mut self, template: &'static HeaderMap, more: &PassedHeaders) -> Option<HeaderMap> {
        if let Some(shape) = self.kept.iter().find(|shape| shape.fits(template, more)) {
            return Some(shape.head.clone());
        }
        let shape = Shape::of(template, more)?;
        let head = shape.head.clone();
        if self.kept.len() < KEPT {
            self.kept.push(shape);
        } else if let Some(place) = self.kept.get_mut(self.oldest) {
            *place = shape;
            self.oldest = (self.oldest + 1) % KEPT;
        }
        Some(head)
    }
}

/// A copy of a template with these values, in the order of its names, and what more there is.
pub(super) fn head(
    template: &'static HeaderMap,
    values: impl Iterator<Item = HeaderValue>,
    more: PassedHeaders,
) -> HeaderMap {
    let shaped = SHAPES.with_borrow_mut(|shapes| shapes.head(template, &more));
    if let Some(mut head) = shaped {
        let values = values.chain(more.into_iter().map(|(_, value)| value));
        head.values_mut().zip(values).for_each(|(slot, value)| *slot = value);
        return head;
    }
    let mut head = template.clone();
    head.values_mut().zip(values).for_each(|(slot, value)| *slot = value);
    for (name, value) in more {
        head.append(name, value);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use once_cell::sync::Lazy;

    static TEMPLATE: Lazy<HeaderMap> = Lazy::new(|| {
        let names = ["a", "b"].map(HeaderName::from_static);
        names.into_iter().map(|name| (name, EMPTY)).collect()
    });

    fn made(more: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let more = more.iter();
        let more = more.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        let head = head(&TEMPLATE, ["1", "2"].map(HeaderValue::from_static).into_iter(), more);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        head.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn expected(more: &[(&str, &str)]) -> Vec<(String, String)> {
        let all = [("a", "1"), ("b", "2")].into_iter().chain(more.iter().copied());
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn a_known_shape_takes_new_values_and_no_old_ones() {
        for more in [
            &[("x", "3"), ("y", "4")][..],
            &[("x", "5"), ("y", "6")],
            &[("y", "7"), ("x", "8")],
            &[("x", "9")],
            &[],
            &[("x", "10"), ("y", "11")],
        ] {
            assert_eq!(made(more), expected(more));
        }
    }

    #[test]
    fn a_name_that_stands_twice_keeps_both_values() {
        for values in [("3", "4"), ("5", "6")] {
            let more = [("x", values.0), ("y", "7"), ("x", values.1)];
            let mut made = made(&more);
            made.sort();
            let mut expected = expected(&more);
            expected.sort();
            assert_eq!(made, expected);
        }
    }

    #[test]
    fn shapes_that_never_come_again_are_dropped() {
        const NAMES: [&str; 20] = [
            "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "b0", "b1", "b2", "b3", "b4", "b5",
            "b6", "b7", "b8", "b9",
        ];
        for round in 0..3 {
            for name in NAMES {
                assert_eq!(made(&[(name, "3")]), expected(&[(name, "3")]), "round {round}");
            }
        }
        assert_eq!(SHAPES.with_borrow(|shapes| shapes.kept.len()), KEPT);
    }
}
