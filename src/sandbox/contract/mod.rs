//! What the official specification of the Marketing API says about requests, read apart from the client's own code.
//!
//! The table is `tests/spec/facts.txt`: fields, parameters, types and values of the nodes and edges in use, each with
//! the file of the specification it comes from. [`Contract::check`] holds one request against it. The rehearsal world
//! answers with what is wrong when it is served strictly; the tests hold every request of the client against it.

mod check;
mod facts;

use std::sync::LazyLock;

use check::Walk;
use facts::Facts;

use super::{objects::Kind, params::Params, request::Incoming};
use crate::ports::{Method, Request};

/// The table of this build.
static OFFICIAL: LazyLock<Contract> = LazyLock::new(|| {
    Contract::from_text(include_str!("../../../tests/spec/facts.txt"))
        .expect("a test reads the table that is built in")
});

/// The specification, as far as it is in use.
#[derive(Debug)]
pub struct Contract {
    facts: Facts,
}

/// What kind of thing a request gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// The path names no node that is known.
    Node,
    /// The node has no such edge for this method.
    Edge,
    /// A field is asked that the node does not have.
    Field,
    /// A parameter is sent that the edge does not know. Meta ignores such; a client should not send them.
    Param,
    /// A parameter that must be sent is not.
    Missing,
    /// A value is of another type.
    Type,
    /// A value is not one of those the specification lists.
    Value,
}

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub wrong: Wrong,
    /// Method, path and place in the request.
    pub place: String,
    /// What is wrong, in Meta's words where Meta would refuse it.
    pub text: String,
}

/// What was checked, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Requests; each entry of a batch counts.
    pub requests: usize,
    /// Fields asked.
    pub fields: usize,
    /// Parameters sent, and members of the objects in them.
    pub params: usize,
    /// Values that had to be one of a list.
    pub values: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Adds another result.
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.fields += other.fields;
        self.params += other.params;
        self.values += other.values;
        self.findings.extend(other.findings);
    }
}

impl Contract {
    /// The table that is built in.
    pub fn official() -> &'static Self {
        &OFFICIAL
    }
    /// A table of one's own, in the same form; the error names the line.
    pub fn from_text(text: &str) -> Result<Self, String> {
        Facts::parse(text).map(|facts| Self { facts })
    }
    /// How many nodes and parts of nodes, edges and lists of values it knows.
    pub fn size(&self) -> (usize, usize, usize) {
        self.facts.size()
    }
    /// Holds a request against the table; `node_of` tells the node of an id, e.g. `AdSet`.
    pub fn check(
        &self,
        request: &Request,
        node_of: &dyn Fn(&str) -> Option<&'static str>,
    ) -> Checked {
        let mut params = Params::default();
        params.add_texts(request.query.iter().cloned());
        params.add_texts(request.form.iter().cloned());
        self.judge(request.method, &request.path, &params, node_of)
    }
    /// The same for a request that is already decoded.
    pub(super) fn judge(
        &self,
        method: Method,
        path: &str,
        params: &Params,
        node_of: &dyn Fn(&str) -> Option<&'static str>,
    ) -> Checked {
        let mut walk = Walk::new(&self.facts, node_of);
        walk.request(&Incoming {
            method,
            path: path.to_owned(),
            params: params.clone(),
            bearer: None,
        });
        walk.out
    }
    /// True if a list of values of that name holds the value; several edges may have lists of the same name.
    pub(super) fn lists(&self, name: &str, value: &str) -> bool {
        self.facts.lists_of(name).any(|values| values.contains_key(value))
    }
}

/// The name under which Meta's own answers speak of a node: one level off from what the documentation calls it.
pub(super) fn inner_name(node: &str) -> &str {
    match node {
        "Campaign" => "AdCampaignGroup",
        "AdSet" => "AdCampaign",
        "Ad" => "Adgroup",
        other => other,
    }
}

/// The specification's name for what an object of the world is.
pub(super) const fn node_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Campaign => "Campaign",
        Kind::AdSet => "AdSet",
        Kind::Ad => "Ad",
        Kind::Creative => "AdCreative",
        Kind::Pixel => "AdsPixel",
        Kind::CustomConversion => "CustomConversion",
        Kind::Rule => "AdRule",
        Kind::Study => "AdStudy",
        Kind::Label => "AdLabel",
        Kind::Schedule => "HighDemandPeriod",
    }
}
