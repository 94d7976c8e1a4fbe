//! Worlds: how strong the learning effect is, which nobody has published and on which every gain depends.

use serde::Deserialize;

/// The few numbers in which the worlds differ; the rest of an account is drawn around them.
///
/// Four worlds serve for tuning, three are held out and must never be tuned on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Its name, as `--world` takes it.
    pub name: String,
    /// Median strength of the learning effect: CPA without any learning is `exp(k)` times CPA at full learning.
    #[serde(default = "neutral::k")]
    pub k: f64,
    /// How well an add-to-cart stands for a purchase, 0 to 1; the other levels move with it.
    #[serde(default = "neutral::s_atc")]
    pub s_atc: f64,
    /// What a new ad set knows from its account, in units of the half-learning volume `h`.
    #[serde(default = "neutral::v0")]
    pub v0: f64,
    /// True for the other functional form: a linear climb to a hard threshold at 50 events a week.
    #[serde(default)]
    pub threshold: bool,
    /// Median half-learning volume, in optimised events a week.
    #[serde(default = "neutral::h")]
    pub h: f64,
    /// Median cost per purchase at full learning, in major units of the currency.
    #[serde(default = "neutral::c0")]
    pub c0: f64,
    /// Median purchases a week at full learning; clipped to 3-200 per account.
    #[serde(default = "neutral::volume")]
    pub volume: f64,
    /// Least growth of an account's budget over 26 weeks, as a fraction.
    #[serde(default = "neutral::growth_min")]
    pub growth_min: f64,
    /// Greatest growth of an account's budget over 26 weeks, as a fraction.
    #[serde(default = "neutral::growth_max")]
    pub growth_max: f64,
}

/// The neutral world's numbers, which every key of a world file defaults to.
mod neutral {
    pub(super) fn k() -> f64 {
        1.0
    }
    pub(super) fn s_atc() -> f64 {
        0.71
    }
    pub(super) fn v0() -> f64 {
        0.4
    }
    pub(super) fn h() -> f64 {
        15.0
    }
    pub(super) fn c0() -> f64 {
        40.0
    }
    pub(super) fn volume() -> f64 {
        18.0
    }
    pub(super) fn growth_min() -> f64 {
        -0.1
    }
    pub(super) fn growth_max() -> f64 {
        0.8
    }
}

/// Why a world could not be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WorldError {
    /// Not one of the built-in names.
    #[error("{name:?} is not a world: {} or a TOML file are expected", World::NAMES.join(", "))]
    Name {
        /// The name asked for.
        name: String,
    },
    /// The file is no TOML, lacks its name, or has a key that means nothing here.
    #[error("world file, line {line}: {message}")]
    Read {
        /// Line of the fault, from 1.
        line: usize,
        /// What is wrong; an unknown key is named.
        message: String,
    },
    /// A number outside what the model can carry.
    #[error("world {world:?}: {key} = {value} is out of range: {expected} is expected")]
    Range {
        /// Name of the world.
        world: String,
        /// The key.
        key: &'static str,
        /// Its value.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
}

impl World {
    /// Every built-in world: four for tuning, then the three held out.
    pub const NAMES: [&'static str; 7] =
        ["neutral", "seed-friendly", "sceptic", "threshold", "holdout-a", "holdout-b", "holdout-c"];

    fn built_in(name: &str, k: f64, s_atc: f64, v0: f64, threshold: bool) -> Self {
        Self {
            name: name.to_owned(),
            k,
            s_atc,
            v0,
            threshold,
            h: neutral::h(),
            c0: neutral::c0(),
            volume: neutral::volume(),
            growth_min: neutral::growth_min(),
            growth_max: neutral::growth_max(),
        }
    }

    /// The middle of what is believed: a lower level wins for two thirds of the accounts below 30 purchases a week.
    pub fn neutral() -> Self {
        Self::built_in("neutral", 1.0, 0.71, 0.4, false)
    }
    /// Strong learning, good signals, little memory: the world in which climbing a ladder pays most.
    pub fn seed_friendly() -> Self {
        Self::built_in("seed-friendly", 1.4, 0.82, 0.1, false)
    }
    /// Add-to-carts that do not buy and ad sets that learn fast anyway: purchase optimisation is right for most.
    pub fn sceptic() -> Self {
        Self::built_in("sceptic", 1.0, 0.55, 0.6, false)
    }
    /// The other functional form: learning is linear up to 50 events a week and complete there.
    pub fn threshold() -> Self {
        Self::built_in("threshold", 1.0, 0.75, 0.4, true)
    }

    /// One of [`World::NAMES`].
    pub fn by_name(name: &str) -> Result<Self, WorldError> {
        match name {
            "neutral" => Ok(Self::neutral()),
            "seed-friendly" => Ok(Self::seed_friendly()),
            "sceptic" => Ok(Self::sceptic()),
            "threshold" => Ok(Self::threshold()),
            "holdout-a" => Ok(Self::built_in(name, 1.2, 0.62, 0.2, false)),
            "holdout-b" => Ok(Self::built_in(name, 0.7, 0.78, 0.3, false)),
            "holdout-c" => Ok(Self::built_in(name, 1.4, 0.65, 0.4, true)),
            _ => Err(WorldError::Name { name: name.to_owned() }),
        }
    }

    /// Reads a world file: `name` is required, every other key defaults to the neutral world's.
    pub fn from_toml(text: &str) -> Result<Self, WorldError> {
        let world: Self = toml::from_str(text).map_err(|error| WorldError::Read {
            line: error.span().map_or(1, |span| {
                1 + text.bytes().take(span.start).filter(|&byte| byte == b'\n').count()
            }),
            message: error.message().to_owned(),
        })?;
        world.checked()
    }

    fn checked(self) -> Result<Self, WorldError> {
        let rules: [(&'static str, f64, f64, f64, &'static str); 8] = [
            ("k", self.k, 0.0, 5.0, "0 to 5"),
            ("s_atc", self.s_atc, 0.01, 0.99, "0.01 to 0.99"),
            ("v0", self.v0, 0.0, 10.0, "0 to 10"),
            ("h", self.h, 0.1, 1000.0, "0.1 to 1000 events a week"),
            ("c0", self.c0, 0.01, 1e6, "0.01 to 1000000"),
            ("volume", self.volume, 0.1, 1e4, "0.1 to 10000 purchases a week"),
            ("growth_min", self.growth_min, -0.9, 20.0, "-0.9 to 20"),
            ("growth_max", self.growth_max, self.growth_min, 20.0, "growth_min to 20"),
        ];
        for (key, value, least, greatest, expected) in rules {
            if !(least..=greatest).contains(&value) {
                return Err(WorldError::Range { world: self.name, key, value, expected });
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_is_a_world_of_that_name() {
        for name in World::NAMES {
            assert_eq!(World::by_name(name).unwrap().name, name);
        }
        let error = World::by_name("neutrall").unwrap_err().to_string();
        assert!(error.contains("\"neutrall\"") && error.contains("holdout-c"), "{error}");
    }

    #[test]
    fn a_world_file_needs_only_a_name_and_falls_back_to_neutral() {
        let world = World::from_toml("name = \"mine\"\nk = 1.3\n").unwrap();
        assert_eq!(world, World { name: "mine".into(), k: 1.3, ..World::neutral() });
    }

    #[test]
    fn a_world_file_names_the_key_it_does_not_know_and_its_line() {
        let error = World::from_toml("name = \"mine\"\ns_act = 0.5\n").unwrap_err();
        let WorldError::Read { line: 2, message } = &error else { panic!("{error:?}") };
        assert!(message.contains("s_act"), "{message}");
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn a_world_file_without_a_name_or_with_a_wrong_type_is_refused() {
        let error = World::from_toml("k = 1.0\n").unwrap_err().to_string();
        assert!(error.contains("name"), "{error}");
        let error = World::from_toml("name = \"x\"\nk = \"big\"\n").unwrap_err().to_string();
        assert!(error.starts_with("world file, line 2:"), "{error}");
    }

    #[test]
    fn numbers_the_model_cannot_carry_are_refused_by_key() {
        for (line, key) in
            [("s_atc = 1.5", "s_atc"), ("k = nan", "k"), ("growth_max = -0.5", "growth_max")]
        {
            let error = World::from_toml(&format!("name = \"x\"\n{line}\n")).unwrap_err();
            assert!(
                matches!(&error, WorldError::Range { key: named, .. } if *named == key),
                "{error}"
            );
        }
    }
}
