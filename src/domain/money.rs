//! Money in integer minor units of one currency, scaled by Meta's own table.
//!
//! Budgets travel as integers in minor units, insights spend as decimals in major units; both end here, and nothing
//! else in the product knows a currency's scale. There is no float in this file and no unchecked arithmetic.

use std::{fmt, str::FromStr};

use crate::planted::{Bug, bug, floated};
use serde::{Deserialize, Serialize};

/// The currencies whose minor unit Meta takes to be the major unit (offset 1). Every other currency has offset 100,
/// whatever ISO 4217 says (Marketing API, "Currencies").
const OFFSET_ONE: [&str; 11] =
    ["CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"];

/// A three-letter currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// Minor units per major unit in Meta's table: 1 or 100.
    pub fn offset(self) -> i64 {
        let whole = OFFSET_ONE.contains(&self.as_str()) && !bug(Bug::EveryCurrencyHasCents);
        if whole { 1 } else { 100 }
    }
    /// Digits after the decimal point: 0 or 2.
    pub fn decimals(self) -> usize {
        if self.offset() == 1 { 0 } else { 2 }
    }
    /// The code, e.g. `EUR`.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}
impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl FromStr for Currency {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.as_bytes() {
            [a, b, c] if text.bytes().all(|x| x.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(MoneyError::Currency(text.chars().take(20).collect())),
        }
    }
}
impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}
impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

/// Why an amount could not be read or computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not three capital letters.
    #[error("{0:?} is not a currency code: three capital letters such as EUR are expected")]
    Currency(String),
    /// Not a plain decimal number.
    #[error("{0:?} is not an amount: digits with at most one decimal point are expected")]
    Amount(String),
    /// More decimals than the currency has, where that matters.
    #[error("{text:?} has more decimals than {currency} has ({decimals})")]
    Decimals {
        /// What was read.
        text: String,
        /// Its currency.
        currency: Currency,
        /// Decimals the currency has.
        decimals: usize,
    },
    /// Two currencies met.
    #[error("{0} and {1} cannot be put together")]
    Mixed(Currency, Currency),
    /// The result does not fit 64 bits.
    #[error("the amount is out of range")]
    Overflow,
}

/// An amount: `minor` units of `currency`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// An amount given in minor units, as Meta's budgets are.
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }
    /// Nothing of this currency.
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }
    /// Minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }
    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }
    /// True for amounts above zero.
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Reads a decimal in major units such as `53.39`; digits beyond the currency's scale are rounded half up,
    /// because insights spend has no fixed scale ("5339.5" and "1.429999948" occur).
    pub fn from_major_rounded(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let parsed = Decimal::parse(text)?;
        let minor = parsed.scaled(currency.decimals())?;
        Ok(Self { minor, currency })
    }

    /// Reads a decimal in major units and refuses more decimals than the currency has: for what a person wrote.
    pub fn from_major_exact(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let parsed = Decimal::parse(text)?;
        let decimals = currency.decimals();
        if parsed.fraction.trim_end_matches('0').len() > decimals {
            return Err(MoneyError::Decimals { text: text.to_owned(), currency, decimals });
        }
        Ok(Self { minor: parsed.scaled(decimals)?, currency })
    }

    /// The sum, if the currencies agree.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// The difference, if the currencies agree.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// `self × n`.
    pub fn checked_mul(self, n: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(n).ok_or(MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// `self × basis_points ÷ 10 000`, rounded towards zero: a raise never exceeds its step.
    pub fn basis_points(self, bp: i64) -> Result<Self, MoneyError> {
        let wide = i128::from(self.minor) * i128::from(bp) / 10_000;
        let minor = i64::try_from(wide).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, ..self })
    }
    /// Splits into `n` parts that differ by at most one minor unit and sum to the whole.
    pub fn split(self, n: usize) -> Vec<Self> {
        let Ok(count) = i64::try_from(n) else { return Vec::new() };
        if count == 0 {
            return Vec::new();
        }
        let base = self.minor.div_euclid(count);
        let rest = self.minor.rem_euclid(count);
        (0..count).map(|i| Self { minor: base + i64::from(i < rest), ..self }).collect()
    }
    /// The amount in major units without the currency: `120.00`, `5000`.
    pub fn major(self) -> String {
        let offset = self.currency.offset();
        if offset == 1 {
            return self.minor.to_string();
        }
        let sign = if self.minor < 0 { "-" } else { "" };
        let abs = self.minor.unsigned_abs();
        format!("{sign}{}.{:02}", abs / 100, abs % 100)
    }
    fn same(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::Mixed(self.currency, other.currency))
        }
    }
}
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.major(), self.currency)
    }
}
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
/// Reads `120.00 EUR`, the form of the configuration and the command line.
impl FromStr for Money {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (amount, code) =
            text.trim().split_once(' ').ok_or_else(|| MoneyError::Amount(text.to_owned()))?;
        Self::from_major_exact(amount.trim(), code.trim().parse()?)
    }
}

/// A decimal number split into its written parts.
struct Decimal<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Result<Self, MoneyError> {
        let bad = || MoneyError::Amount(text.chars().take(40).collect());
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || rest.ends_with('.') {
            return Err(bad());
        }
        Ok(Self { negative, whole, fraction })
    }
    fn scaled(&self, decimals: usize) -> Result<i64, MoneyError> {
        let kept: String = self.fraction.chars().chain("00".chars()).take(decimals).collect();
        let up = self.fraction.as_bytes().get(decimals).is_some_and(|d| *d >= b'5');
        let text = format!("{}{kept}", self.whole);
        let abs: i64 = text.parse().map_err(|_| MoneyError::Overflow)?;
        let abs = abs.checked_add(i64::from(up)).ok_or(MoneyError::Overflow)?;
        let abs = if bug(Bug::FloatMoney) { floated(abs) } else { abs };
        Ok(if self.negative { -abs } else { abs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn the_offset_is_metas_and_not_isos() {
        assert_eq!(money("5000 JPY").minor(), 5000);
        assert_eq!(
            money("5000 HUF").minor(),
            5000,
            "HUF has 2 decimals in ISO 4217 but none at Meta"
        );
        assert_eq!(money("50.00 USD").minor(), 5000);
        assert_eq!(money("50 KWD").minor(), 5000, "KWD has 3 decimals in ISO 4217 but 2 at Meta");
    }

    #[test]
    fn malformed_amounts_are_refused() {
        for bad in [
            "",
            "EUR",
            "12,50 EUR",
            "1,250 EUR",
            "1e3 EUR",
            "NaN EUR",
            "+1 EUR",
            "1. EUR",
            ".5 EUR",
            "12.345 EUR",
            "5.5 JPY",
            "1 eur",
            "1 EURO",
            "١٢ EUR",
            "99999999999999999999 EUR",
            "12.50EUR",
        ] {
            assert!(bad.parse::<Money>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn insights_spend_is_rounded_half_up() {
        let eur = "EUR".parse().unwrap();
        assert_eq!(Money::from_major_rounded("1.429999948", eur).unwrap().minor(), 143);
        assert_eq!(Money::from_major_rounded("0.005", eur).unwrap().minor(), 1);
        assert_eq!(Money::from_major_rounded("5339.5", eur).unwrap().minor(), 533_950);
        assert_eq!(Money::from_major_rounded("10.5", "JPY".parse().unwrap()).unwrap().minor(), 11);
    }

    #[test]
    fn currencies_never_mix_and_overflow_is_an_error() {
        assert!(money("1 EUR").checked_add(money("1 USD")).is_err());
        let max = Money::from_minor(i64::MAX, "EUR".parse().unwrap());
        assert_eq!(max.checked_add(money("0.01 EUR")), Err(MoneyError::Overflow));
        assert_eq!(max.checked_mul(2), Err(MoneyError::Overflow));
    }

    #[test]
    fn only_what_is_above_zero_is_positive_and_nothing_has_no_sign() {
        let positive: Vec<bool> =
            ["-0.01 EUR", "0 EUR", "0.01 EUR"].map(|t| money(t).is_positive()).into();
        assert_eq!(positive, [false, false, true]);
        assert_eq!(money("-0.00 EUR").to_string(), "0.00 EUR");
        assert_eq!(money("-0.05 EUR").to_string(), "-0.05 EUR");
    }

    #[test]
    fn a_trace_shows_amounts_as_people_write_them() {
        assert_eq!(format!("{:?}", money("-120.5 EUR")), "-120.50 EUR");
        assert_eq!(format!("{:?}", money("5000 JPY").currency()), "JPY");
    }

    /// What 64 bits hold of an exact result.
    fn fits(exact: i128) -> Result<Money, MoneyError> {
        let eur = "EUR".parse().unwrap();
        i64::try_from(exact).map(|m| Money::from_minor(m, eur)).map_err(|_| MoneyError::Overflow)
    }

    /// Everyday amounts, and those at the ends of what 64 bits hold.
    fn minors() -> impl proptest::strategy::Strategy<Value = i64> {
        proptest::prop_oneof![-1_000_000_i64..1_000_000, proptest::num::i64::ANY]
    }

    proptest::proptest! {
        #[test]
        fn arithmetic_is_exact_or_an_error(a in minors(), b in minors(), n in minors()) {
            let (eur, usd) = ("EUR".parse().unwrap(), "USD".parse().unwrap());
            let (one, other) = (Money::from_minor(a, eur), Money::from_minor(b, eur));
            let wide = i128::from;
            proptest::prop_assert_eq!(one.checked_add(other), fits(wide(a) + wide(b)));
            proptest::prop_assert_eq!(one.checked_sub(other), fits(wide(a) - wide(b)));
            proptest::prop_assert_eq!(one.checked_mul(n), fits(wide(a) * wide(n)));
            let foreign = Err(MoneyError::Mixed(eur, usd));
            proptest::prop_assert_eq!(one.checked_sub(Money::from_minor(b, usd)), foreign);
        }

        #[test]
        fn a_share_is_the_largest_whole_unit_not_beyond_it(a in minors(), bp in -20_000_i64..20_000) {
            let whole = Money::from_minor(a, "EUR".parse().unwrap());
            let exact = i128::from(a) * i128::from(bp);
            match whole.basis_points(bp) {
                Ok(share) => {
                    let got = i128::from(share.minor());
                    proptest::prop_assert_eq!(share.currency(), whole.currency());
                    proptest::prop_assert!(got == 0 || got.signum() == exact.signum(), "{} of {}", got, a);
                    proptest::prop_assert!(got.abs() * 10_000 <= exact.abs());
                    proptest::prop_assert!((got.abs() + 1) * 10_000 > exact.abs());
                }
                Err(e) => {
                    proptest::prop_assert_eq!(e, MoneyError::Overflow);
                    proptest::prop_assert!(exact.abs() / 10_000 > i128::from(i64::MAX));
                }
            }
        }

        #[test]
        fn a_split_conserves_the_whole(minor in -1_000_000_i64..1_000_000, n in 1_usize..60) {
            let whole = Money::from_minor(minor, "EUR".parse().unwrap());
            let parts = whole.split(n);
            proptest::prop_assert_eq!(parts.len(), n);
            proptest::prop_assert_eq!(parts.iter().map(|m| m.minor()).sum::<i64>(), minor);
            let (least, most) = (parts.iter().min().unwrap(), parts.iter().max().unwrap());
            proptest::prop_assert!(most.minor() - least.minor() <= 1, "{} to {}", least, most);
        }

        #[test]
        fn text_round_trips(minor in proptest::num::i64::ANY) {
            proptest::prop_assume!(minor != i64::MIN);
            let whole = Money::from_minor(minor, "EUR".parse().unwrap());
            proptest::prop_assert_eq!(whole.to_string().parse::<Money>().unwrap(), whole);
        }
    }
}
