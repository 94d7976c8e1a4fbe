//! Errors Meta is known to answer with, in its own words, so that any of them can be called up.
//!
//! What a rule of this world refuses says so itself (`laws`, `edits`, `usage`, …); the rest (outages, locks of the
//! account, limits of other products) has no cause in a rehearsal and is called up as a fault. Codes: Marketing API,
//! "Error codes" and "Rate limiting"; Graph API, "Handling errors"; Insights, "Error codes".

use super::errors::Refusal;

/// One error: code, subcode (0 = none), HTTP status, message, title and text for the person (empty = none).
type Known = (i64, i64, u16, &'static str, &'static str, &'static str);

const MANY: &str = "There have been too many calls from this ad-account. Wait a bit and try again.";
const INVALID: &str = "Invalid parameter";

/// Everything that is known by heart.
const KNOWN: &[Known] = &[
    // Passing faults.
    (1, 0, 500, "An unknown error occurred", "", ""),
    (1, 99, 500, "An unknown error occurred", "", ""),
    (2, 0, 500, "(#2) Service temporarily unavailable", "", ""),
    (-1, 0, 500, "An unexpected error has occurred. Please retry your request later.", "", ""),
    (
        960,
        0,
        500,
        "(#960) Request aborted. This could happen if a dependent request failed or the entire request timed out.",
        "",
        "",
    ),
    (3_910_001, 0, 500, "Service temporarily unavailable", "", ""),
    (100, 99, 400, INVALID, "", ""),
    // Insights.
    (
        2,
        1_504_038,
        400,
        "Service temporarily unavailable",
        "Request timed out",
        "Your request timed out. Please try again or use a smaller range.",
    ),
    (
        100,
        1_504_018,
        400,
        INVALID,
        "Request timed out",
        "Your request timed out. Please try an asynchronous query or a smaller range.",
    ),
    (
        100,
        1_487_534,
        400,
        INVALID,
        "Too much data",
        "Please reduce the amount of data you're asking for, then retry your request.",
    ),
    (-3, 1_504_045, 500, "The report is too large", "", ""),
    (-2, 2_490_547, 500, "The asynchronous report failed", "", ""),
    (2, 1_504_043, 500, "Service temporarily unavailable", "", ""),
    (2, 1_504_044, 500, "Service temporarily unavailable", "", ""),
    (2, 1_504_041, 400, "Invalid combination of breakdowns", "", ""),
    (2, 1_504_042, 400, "Invalid custom metric", "", ""),
    (100, 3_191_001, 400, "Missing permissions for the requested data", "", ""),
    (
        3018,
        0,
        400,
        "(#3018) The start date of the time range cannot be beyond 37 months from the current date",
        "",
        "",
    ),
    (2642, 0, 400, "(#2642) Invalid cursors values", "", ""),
    (2641, 0, 400, "(#2641) Cursors are not available for this request", "", ""),
    // Throttles.
    (4, 0, 400, "(#4) Application request limit reached", "", ""),
    (
        4,
        1_504_022,
        400,
        "(#4) Application request limit reached",
        "",
        "There are too many insights calls at this moment.",
    ),
    (
        4,
        1_504_039,
        400,
        "(#4) Application request limit reached",
        "",
        "There are too many insights calls at this moment.",
    ),
    (17, 0, 400, "(#17) User request limit reached", "", ""),
    (
        17,
        2_446_079,
        400,
        "(#17) User request limit reached",
        "Ad account has too many API calls",
        MANY,
    ),
    (
        17,
        1_885_172,
        400,
        "(#17) User request limit reached",
        "Spending limit",
        "The spending limit of the account can change at most 10 times a day.",
    ),
    (32, 0, 400, "(#32) Page request limit reached", "", ""),
    (341, 0, 400, "(#341) Feature temporarily blocked", "", ""),
    (613, 0, 400, "(#613) Calls to this api have exceeded the rate limit.", "", ""),
    (
        613,
        1_487_742,
        400,
        "(#613) Calls to this api have exceeded the rate limit.",
        "Ad account has too many API calls",
        MANY,
    ),
    (
        613,
        1_487_632,
        400,
        "(#613) Calls to this api have exceeded the rate limit.",
        "Ad set budget changed too often",
        "You can only change the budget of an ad set 4 times per hour.",
    ),
    (
        613,
        1_487_225,
        400,
        "(#613) Calls to this api have exceeded the rate limit.",
        "Too many ads created",
        "The number of ads that can be created depends on the daily spending limit.",
    ),
    (
        613,
        5_044_001,
        400,
        "(#613) Calls to this api have exceeded the rate limit.",
        "Too many calls",
        "There are too many mutations per second for this ad account.",
    ),
    (
        613,
        1996,
        400,
        "(#613) Calls to this api have exceeded the rate limit.",
        "",
        "The volume of requests is inconsistent.",
    ),
    (
        613,
        4_841_018,
        400,
        "(#613) Calls to this api have exceeded the rate limit.",
        "",
        "The object was edited moments ago.",
    ),
    (
        80_000,
        2_446_079,
        400,
        "(#80000) There have been too many calls from this ad-account.",
        "",
        "",
    ),
    (80_001, 0, 400, "(#80001) There have been too many calls to this Page account.", "", ""),
    (80_002, 0, 400, "(#80002) There have been too many calls to this Instagram account.", "", ""),
    (
        80_003,
        2_446_079,
        400,
        "(#80003) There have been too many calls from this ad-account.",
        "",
        "",
    ),
    (80_004, 2_446_079, 400, "(#80004) There have been too many calls to this ad-account.", "", ""),
    (
        80_005,
        0,
        400,
        "(#80005) There have been too many leadgen api calls to this Page account.",
        "",
        "",
    ),
    (
        80_006,
        0,
        400,
        "(#80006) There have been too many messenger api calls to this Page account.",
        "",
        "",
    ),
    (
        80_008,
        0,
        400,
        "(#80008) There have been too many calls to this WhatsApp Business account.",
        "",
        "",
    ),
    (80_009, 0, 400, "(#80009) There have been too many calls to this Catalog account.", "", ""),
    (
        80_014,
        0,
        400,
        "(#80014) There have been too many batch calls to this Catalog account.",
        "",
        "",
    ),
    // Who may come in.
    (190, 0, 400, "Invalid OAuth access token - Cannot parse access token", "", ""),
    (
        190,
        458,
        400,
        "Error validating access token: The user has not authorized the application.",
        "",
        "",
    ),
    (
        190,
        459,
        400,
        "Error validating access token: You cannot access the app till you log in to www.facebook.com and follow the instructions given.",
        "",
        "",
    ),
    (
        190,
        460,
        400,
        "Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.",
        "",
        "",
    ),
    (190, 463, 400, "Error validating access token: Session has expired.", "", ""),
    (
        190,
        464,
        400,
        "Error validating access token: Sessions for the user are not allowed because the user is not a confirmed user.",
        "",
        "",
    ),
    (
        190,
        467,
        400,
        "Error validating access token: This may be because the user logged out.",
        "",
        "",
    ),
    (
        190,
        492,
        400,
        "Error validating access token: The user does not have the appropriate role on the page.",
        "",
        "",
    ),
    (102, 0, 400, "Session key invalid or no longer valid", "", ""),
    (104, 0, 400, "Incorrect signature", "", ""),
    (3, 0, 400, "(#3) Application does not have the capability to make this API call.", "", ""),
    (10, 0, 403, "(#10) Application does not have permission for this action", "", ""),
    (200, 0, 403, "(#200) Requires ads_management permission to manage the object", "", ""),
    (
        294,
        0,
        403,
        "(#294) Managing advertisements requires the extended permission ads_management",
        "",
        "",
    ),
    (299, 0, 403, "(#299) Permission error", "", ""),
    (2654, 1_713_092, 400, "Permission error", "", "You have no permission for this ad account."),
    (1_815_694, 0, 400, "Permission error", "", "You can't use this page with this ad account."),
    (1_357_045, 0, 400, "Please log in again", "", ""),
    // Locks of the account.
    (
        368,
        0,
        400,
        "(#368) The action attempted has been deemed abusive or is otherwise disallowed",
        "",
        "You are temporarily blocked from this action.",
    ),
    (
        368,
        1_404_078,
        400,
        "(#368) The action attempted has been deemed abusive or is otherwise disallowed",
        "Action blocked",
        "You can't take this action at the moment.",
    ),
    (100, 1_404_163, 400, INVALID, "Ads access restricted", "Your account may not advertise."),
    (100, 2_859_015, 400, INVALID, "Account restricted", "Please confirm who you are."),
    (
        100,
        1_870_034,
        400,
        INVALID,
        "Terms not accepted",
        "Please accept the Custom Audience terms.",
    ),
    (100, 1_870_090, 400, INVALID, "Terms not accepted", "Please accept the terms of service."),
    (100, 1_870_092, 400, INVALID, "Terms not accepted", "Please accept the terms of service."),
    (
        100,
        2_490_427,
        400,
        INVALID,
        "Ad was rejected",
        "An ad that was rejected can't be edited. Create a new one.",
    ),
    (
        100,
        2_490_468,
        400,
        INVALID,
        "Ad was rejected",
        "An ad that was rejected can't be turned on. Create a new one.",
    ),
    // Versions and requests.
    (
        2635,
        0,
        400,
        "(#2635) You are calling a deprecated version of the Ads API. Please update to the latest version: v26.0.",
        "",
        "",
    ),
    (2500, 0, 400, "Unknown path components", "", ""),
    (803, 0, 404, "(#803) Some of the aliases you requested do not exist", "", ""),
    (
        100,
        33,
        400,
        "Unsupported request. Object does not exist, cannot be loaded due to missing permissions, or does not support this operation.",
        "",
        "",
    ),
    // Validity.
    (100, 0, 400, "(#100) Invalid parameter", "", ""),
    (
        100,
        3_260_011,
        400,
        INVALID,
        "Can't Make Edits to Published Ad Set",
        "You can't change the conversion event of a published ad set. Create a new ad set.",
    ),
    (100, 1_487_033, 400, INVALID, "Invalid schedule", "The end time must be later."),
    (
        100,
        1_487_056,
        400,
        INVALID,
        "Ad set was deleted",
        "You can't edit an ad set that was deleted.",
    ),
    (
        100,
        1_487_566,
        400,
        INVALID,
        "Object is archived or deleted",
        "You can't edit an object that was archived or deleted.",
    ),
    (100, 1_487_901, 400, INVALID, "Invalid budget", "Your daily budget is not valid."),
    (100, 1_487_990, 400, INVALID, "Invalid budget", "Your budget is not valid."),
    (
        100,
        1_815_857,
        400,
        INVALID,
        "Bid amount required",
        "Bid amount is required for the bid strategy.",
    ),
    (100, 1_885_088, 400, INVALID, "Budget too low", "Your budget is lower than your bid."),
    (
        100,
        1_885_194,
        400,
        INVALID,
        "Copy request is too large",
        "The objects hold too many ads for a synchronous copy.",
    ),
    (
        100,
        1_885_204,
        400,
        INVALID,
        "Start time in the past",
        "The start time must lie in the future.",
    ),
    (100, 1_885_272, 400, INVALID, "Budget too low", "Your budget is below the minimum."),
    (100, 1_885_621, 400, INVALID, "Budget", "Set either an ad set budget or a campaign budget."),
    (100, 1_885_650, 400, INVALID, "Budget too low", "Your budget is too low for what was spent."),
    (100, 1_885_737, 400, INVALID, "Bid strategy", "A bid strategy needs a campaign budget."),
    (100, 2_238_055, 400, INVALID, "Budget too low", "Your campaign budget is below the minimum."),
    (
        100,
        2_446_307,
        400,
        INVALID,
        "Spending limit",
        "The spending limit of the campaign is too low.",
    ),
    (
        100,
        2_446_383,
        400,
        INVALID,
        "Placement",
        "The placements are not available for this objective.",
    ),
    (100, 2_446_509, 400, INVALID, "Placement", "The placements are not available for this ad."),
    (
        100,
        2_490_408,
        400,
        INVALID,
        "Performance goal isn't available",
        "The performance goal isn't available with the objective.",
    ),
    (2695, 0, 400, "(#2695) The ad set creation reached its campaign group(ios14) limit.", "", ""),
    (
        100,
        3_858_079,
        400,
        INVALID,
        "Beneficiary",
        "dsa_beneficiary is required for ads shown in the European Union.",
    ),
    (
        100,
        3_858_081,
        400,
        INVALID,
        "Payer",
        "dsa_payor is required for ads shown in the European Union.",
    ),
    (
        100,
        3_858_418,
        400,
        INVALID,
        "Budget sharing",
        "Budget sharing isn't available for this campaign.",
    ),
    (
        100,
        3_858_504,
        400,
        INVALID,
        "Standard enhancements",
        "The creative uses standard enhancements, which can no longer be created.",
    ),
    (
        100,
        4_834_002,
        400,
        INVALID,
        "Budget sharing",
        "Budget sharing can't be used with a campaign budget.",
    ),
    (
        100,
        4_834_005,
        400,
        INVALID,
        "Budget sharing",
        "Budget sharing needs the same bid strategy in all ad sets.",
    ),
    (
        100,
        4_834_006,
        400,
        INVALID,
        "Budget sharing",
        "Budget sharing can't be turned on for this campaign.",
    ),
    (100, 4_834_009, 400, INVALID, "Budget sharing", "Budget sharing needs daily budgets."),
    (
        100,
        4_834_011,
        400,
        INVALID,
        "Budget sharing",
        "You must specify is_adset_budget_sharing_enabled if you are not using a campaign budget.",
    ),
];

/// Every code and subcode that is known by heart (subcode 0 = none).
pub fn known_errors() -> impl Iterator<Item = (i64, i64)> {
    KNOWN.iter().map(|known| (known.0, known.1))
}

/// The refusal of a code and subcode: in Meta's words where they are known, else plain.
pub(super) fn called(code: i64, subcode: Option<i64>) -> Refusal {
    let wanted = subcode.unwrap_or(0);
    let found = KNOWN.iter().find(|k| k.0 == code && k.1 == wanted);
    let Some((_, _, status, message, title, user)) = found.copied() else {
        let mut refusal = Refusal::new(code, format!("(#{code}) An error occurred"));
        refusal.subcode = subcode;
        refusal.transient = matches!(code, 1 | 2);
        return refusal;
    };
    let mut refusal = Refusal::new(code, message);
    refusal.subcode = subcode.filter(|s| *s != 0);
    refusal.status = status;
    refusal.transient =
        matches!(code, 2 | -1 | -2 | -3) && wanted != 1_504_041 && wanted != 1_504_042;
    if (code, wanted) == (100, 33) {
        refusal.kind = "GraphMethodException";
    }
    if !user.is_empty() {
        refusal.title = Some(title).filter(|t| !t.is_empty());
        refusal.user = Some(user.to_owned());
    }
    // Validation blames a field; which form error_data has differs from rule to rule.
    if code == 100 && wanted > 1_000_000 {
        refusal.blame = Some(blamed(wanted).to_owned());
        refusal.open_data = wanted % 2 == 0;
    }
    refusal
}

fn blamed(subcode: i64) -> &'static str {
    match subcode {
        1_885_272 | 1_885_650 | 1_885_088 | 1_487_901 | 1_487_990 | 2_238_055 | 1_885_621 => {
            "daily_budget"
        }
        1_885_737 => "bid_strategy",
        1_815_857 => "bid_amount",
        2_446_307 => "spend_cap",
        3_260_011 => "promoted_object",
        3_858_079 => "dsa_beneficiary",
        3_858_081 => "dsa_payor",
        4_834_002..=4_834_011 | 3_858_418 => "is_adset_budget_sharing_enabled",
        1_487_033 | 1_885_204 => "start_time",
        1_504_018 | 1_487_534 => "time_range",
        2_490_408 => "optimization_goal",
        2_446_383 | 2_446_509 => "targeting",
        _ => "id",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_error_is_listed_once_and_comes_back_as_listed() {
        let all: Vec<(i64, i64)> = known_errors().collect();
        let unique: BTreeSet<(i64, i64)> = all.iter().copied().collect();
        assert_eq!(all.len(), unique.len());
        for (code, subcode) in all {
            let refusal = called(code, Some(subcode).filter(|s| *s != 0));
            assert_eq!((refusal.code, refusal.subcode.unwrap_or(0)), (code, subcode));
        }
    }

    #[test]
    fn error_data_comes_in_both_forms() {
        let form = |sub| called(100, Some(sub)).body("A")["error"]["error_data"].is_string();
        assert!(form(3_858_079) && !form(1_885_272));
    }
}
