//! Dates as interfaces and spreadsheets write them.

use jiff::civil::Date;

use crate::domain::Day;

/// Order of day and month in `3/4/2026`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// 3 April.
    DayFirst,
    /// 4 March.
    MonthFirst,
}

/// One date; None when it is none.
pub(super) fn parse(text: &str, order: Order) -> Option<Day> {
    let text = text.trim().trim_matches('"');
    // Spreadsheets add a midnight to a date.
    let text = text.split_once('T').map_or(text, |(day, _)| day);
    let text =
        text.strip_suffix(" 00:00:00").or_else(|| text.strip_suffix(" 00:00")).unwrap_or(text);
    let parts: Vec<&str> = text
        .split(['-', '/', '.', '年', '月', '日'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let [a, b, c] = parts.as_slice() else { return named(text) };
    let number = |part: &str| part.parse::<i16>().ok();
    let Some(((first, second), third)) = number(a).zip(number(b)).zip(number(c)) else {
        return named(text);
    };
    if a.len() == 4 {
        return day(first, second, third);
    }
    let year = if c.len() == 2 { 2000 + third } else { third };
    match order {
        _ if text.contains('.') => day(year, second, first),
        Order::DayFirst => day(year, second, first),
        Order::MonthFirst => day(year, first, second),
    }
}

fn day(year: i16, month: i16, day: i16) -> Option<Day> {
    if !(1990..=2200).contains(&year) {
        return None;
    }
    Day::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?)
}

/// `Aug 1, 2026`, `1 August 2026`.
fn named(text: &str) -> Option<Day> {
    let formats = ["%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y"];
    let date = formats.iter().find_map(|format| Date::strptime(format, text).ok())?;
    Day::new(date.year(), date.month(), date.day())
}

/// Which order makes all dates readable; when both do, the one whose dates lie closer together, because a report
/// covers weeks and not years. Equal: day first.
pub(super) fn order<'a, I: Iterator<Item = &'a str> + Clone>(cells: &I) -> Order {
    let span = |order: Order| -> Option<i64> {
        let days: Option<Vec<Day>> = cells.clone().map(|cell| parse(cell, order)).collect();
        let days = days?;
        Some(days.iter().max()?.since(*days.iter().min()?))
    };
    match (span(Order::DayFirst), span(Order::MonthFirst)) {
        (None, Some(_)) => Order::MonthFirst,
        (Some(day), Some(month)) if month < day => Order::MonthFirst,
        _ => Order::DayFirst,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_day_in_every_spelling() {
        let want = Day::new(2019, 8, 1);
        for text in [
            "1.08.2019",
            "01/08/2019",
            "2019-08-01",
            "2019/8/1",
            "2019-08-01T00:00:00",
            "Aug 1, 2019",
            "1 August 2019",
            "2019年8月1日",
            "1.8.19",
        ] {
            assert_eq!(parse(text, Order::DayFirst), want, "{text}");
        }
        assert_eq!(parse("8/1/2019", Order::MonthFirst), want);
        assert_eq!(parse("31.02.2019", Order::DayFirst), None);
        assert_eq!(parse("Total", Order::DayFirst), None);
    }

    #[test]
    fn the_order_is_the_one_that_makes_sense_of_the_column() {
        assert_eq!(order(&["8/1/2019", "8/13/2019"].into_iter()), Order::MonthFirst);
        assert_eq!(order(&["1/8/2019", "13/8/2019"].into_iter()), Order::DayFirst);
        assert_eq!(order(&["8/1/2019", "8/2/2019", "8/3/2019"].into_iter()), Order::MonthFirst);
        assert_eq!(order(&["1/8/2019", "2/8/2019", "3/8/2019"].into_iter()), Order::DayFirst);
    }
}
