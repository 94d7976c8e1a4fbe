#!/usr/bin/env python3
"""Derives `facts.txt` from the official machine-readable specification of the Marketing API.

    python3 tests/spec/derive.py SPECS > tests/spec/facts.txt
    python3 tests/spec/derive.py SPECS --check        says whether facts.txt is what SPECS give

SPECS is `api_specs/specs` of a checkout of facebook/facebook-business-sdk-codegen at commit
ad2b0b6fdfbe4d73ed0754cb4562ef20b72b40d4 (2026-04-15, v25.0). What v26.0 added is in V26 below, what the
specification leaves to the documentation in DOCS and SHAPES; such lines say so in the table.

Kept are names, types and values of the nodes and edges this product and its rehearsal world use; the
specification itself is not kept.
"""
import json, os, re, sys, textwrap

SPECS = sys.argv[1]
def read(name): return json.load(open(os.path.join(SPECS, name + ".json")))

# Nodes that are read or written, and their edges that are used.
NODES = {
    "AdAccount": "activities ad_studies adcreatives adlabels adrules_library adrules_history ads adsets adspixels "
                 "async_batch_requests asyncadrequestsets campaigns customconversions insights minimum_budgets",
    "Campaign": "ad_studies adlabels adrules_governed ads adsets budget_schedules copies insights",
    "AdSet": "activities ad_studies adcreatives adlabels adrules_governed ads asyncadrequests budget_schedules copies "
             "delivery_estimate insights",
    "Ad": "adcreatives adlabels adrules_governed copies insights leads",
    "AdCreative": "adlabels", "AdReportRun": "insights", "AdRule": "history", "AdStudy": "cells",
    "AdStudyCell": "adaccounts campaigns adsets", "HighDemandPeriod": "", "AdsPixel": "stats", "CustomConversion": "stats",
    "AdLabel": "ads adsets campaigns adcreatives", "AdAsyncRequestSet": "requests", "AdAsyncRequest": "",
    "Business": "ad_studies adspixels owned_ad_accounts client_ad_accounts", "User": "adaccounts businesses permissions",
}
# Of these only the edges and the reading are of use here.
ONLY_READ = {"Business", "User", "AdLabel", "AdStudyCell", "AdAsyncRequestSet", "AdAsyncRequest"}
# Parts of nodes and rows.
STRUCTS = """AdsInsights AdsActionStats AdActivity MinimumBudget AdPromotedObject Targeting AttributionSpec
AdCampaignLearningStageInfo AdCampaignIssuesInfo AdCampaignBidConstraint AdsPixelStatsResult AdsPixelStats DayPart
AdRuleEvaluationSpec AdRuleExecutionSpec AdRuleExecutionOptions AdRuleFilters AdRuleScheduleSpec AdRuleSchedule
AdRuleTrigger AdRuleHistory CustomConversionStatsResult""".split()
# Parameters the specification calls an object, and what the documentation says they hold.
SHAPES = {
    "promoted_object": "AdPromotedObject", "attribution_spec": "list.AttributionSpec", "targeting": "Targeting",
    "evaluation_spec": "AdRuleEvaluationSpec", "execution_spec": "AdRuleExecutionSpec",
    "schedule_spec": "AdRuleScheduleSpec", "creative": "CreativeSpec", "rename_options": "RenameOptions",
    "cells": "list.StudyCell", "adset_schedule": "list.DayPart", "adlabels": "list.Label",
    "time_range": "TimeRange", "time_ranges": "list.TimeRange", "filtering": "list.Filter",
    "budget_schedule_specs": "list.HighDemandPeriod", "adbatch": "list.BatchEntry",
    # The specification lists the inner numbers of these; the documentation takes and gives names.
    "regional_regulated_categories": "list.text",
}
# Fields whose type the specification leaves open.
FIELD_SHAPES = {("AdStudyCell", "campaigns"): "list.Campaign"}
# What the documentation has and the specification has not (page of developers.facebook.com after the name).
DOCS = """
struct TimeRange docs:reference/ad-campaign/insights
 since:day until:day
struct Filter docs:reference/ad-campaign/insights
 field:text operator:=filter_operator value:any
struct Label docs:reference/ad-label
 id:text name:text
struct StudyCell docs:reference/ad-study
 name:text treatment_percentage:num control_percentage:num description:text campaigns:list.text adsets:list.text
 ads:list.text adaccounts:list.text
struct RenameOptions docs:reference/ad-campaign/copies
 rename_strategy:=rename_strategy rename_prefix:text rename_suffix:text
struct BatchEntry docs:batch-requests
 method:text relative_url:text body:any name:text depends_on:text omit_response_on_success:flag headers:list
 attached_files:text access_token:text
struct Permission docs:permissions
 permission:text status:text
struct Token docs:facebook-login/debug_token
 data:object
enum filter_operator docs:reference/ad-campaign/insights
 EQUAL NOT_EQUAL GREATER_THAN GREATER_THAN_OR_EQUAL LESS_THAN LESS_THAN_OR_EQUAL IN_RANGE NOT_IN_RANGE CONTAIN
 NOT_CONTAIN CONTAINS_ANY NOT_CONTAINS_ANY IN NOT_IN STARTS_WITH ENDS_WITH ANY ALL AFTER BEFORE
enum rename_strategy docs:reference/ad-campaign/copies
 DEEP_RENAME ONLY_TOP_LEVEL_RENAME NO_RENAME
edge GET */* docs:graph-api/results any
 fields:fields limit:uint after:text before:text summary:any filtering:list.Filter sort:any order_by:text
 effective_status:list.text locale:text method:text updated_since:uint
edge GET * docs:graph-api/overview any
 fields:fields locale:text method:text
edge POST * docs:graph-api/overview any
 fields:fields locale:text method:text include_headers:flag batch:list.BatchEntry asyncbatch:list.BatchEntry
edge DELETE * docs:graph-api/overview any
 id:text locale:text method:text
edge GET debug_token docs:facebook-login/debug_token Token
 input_token:text
edge GET oauth/access_token docs:facebook-login/manual-flow any
 client_id:text client_secret:text redirect_uri:text code:text grant_type:text fb_exchange_token:text
 set_token_expires_in_60_days:flag
edge GET oauth/revoke docs:facebook-login/system-users any
 client_id:text client_secret:text revoke_token:text
""".strip().splitlines()
# What v26.0 added (introducing-graph-api-v26-and-marketing-api-v26, and the v26.0 node SDK against v25.0).
V26_FIELDS = {
    "AdSet": "ad_set_goal:text cost_bidding_mode:text is_dc_follow_optimized:flag is_organic_ad_joint_optimized:flag "
             "is_sequenced_conversion_creation:flag live_video_ad_campaign_config:object meta_moment_maker_spec:object "
             "relative_value:object",
    "Campaign": "frequency_control_specs:list is_meta_moment_maker_enabled:flag is_reels_trending_ads_enabled:flag",
    "AdsInsights": "creative_fatigue_summary:object creative_fatigued_ads:list instagram_profile_follow:text",
    "AdActivity": "tool:text",
    "AdPromotedObject": "custom_attribution_source_ids:list.text instagram_actor_id:text job_listing_id:text "
                        "lead_ads_follow_up_event:text",
}
V26_VALUES = {
    "optimization_goal": "MESSAGING_DEEP_CONVERSATION_AND_FOLLOW",
    "action_attribution_windows": "1d_sequenced 7d_sequenced 28d_sequenced custom incrementality "
                                  "incrementality_first_conversion incrementality_all_conversions",
}

ENUMS = {e["name"]: e["values"] for e in read("enum_types")}
named = {}                       # values -> short name, so that equal lists are kept once
def enum(name, about):
    values = tuple(sorted(ENUMS[name]))
    if values not in named:
        short, taken = about, set(named.values())
        n = 2
        while short in taken: short, n = f"{about}.{n}", n + 1
        named[values] = short
    return "=" + named[values]

PLAIN = {"string": "text", "int": "int", "unsigned int": "uint", "float": "num", "bool": "flag", "datetime": "time",
         "Object": "any", "map": "object", "list<Object>": "list", "list<map>": "list"}
KNOWN = set(NODES) | set(STRUCTS)
def kind(spec, about):
    if spec in PLAIN: return PLAIN[spec]
    if spec in ENUMS: return enum(spec, about)
    if spec in KNOWN: return spec
    inner = re.fullmatch(r"list<(.*)>", spec)
    if inner: return "list." + kind(inner.group(1), about)
    if spec.startswith("map<"): return "object"
    return "any"

def param(p):
    shape = SHAPES.get(p["name"])
    return p["name"] + ("!" if p["required"] else "") + ":" + (shape or kind(p["type"], p["name"]))

out = []
def section(head, items):
    out.append(head)
    out.extend(textwrap.wrap(" ".join(items), 118, initial_indent=" ", subsequent_indent=" ", break_long_words=False,
                             break_on_hyphens=False))

edges = []
for node in list(NODES) + STRUCTS:
    spec = read(node)
    fields = [f["name"] + ":" + FIELD_SHAPES.get((node, f["name"]), kind(f["type"], f["name"])) for f in spec["fields"]]
    fields += [f + "@26" for f in V26_FIELDS.get(node, "").split()]
    section(f"struct {node} {node}.json", fields)
    if node not in NODES: continue
    for api in spec["apis"]:
        own = {"#get": "GET", "#update": "POST", "#delete": "DELETE"}.get(api.get("name"))
        edge = api.get("endpoint")
        if own and node in ONLY_READ and own != "GET": continue
        if own: edges.append((own, node, node, api))
        elif edge in NODES[node].split(): edges.append((api["method"], f"{node}/{edge}", node, api))
for method, path, node, api in edges:
    section(f"edge {method} {path} {node}.json {api['return'] if api['return'] in KNOWN else 'any'}",
            [param(p) for p in api["params"]])
creative = next(a for a in read("AdAccount")["apis"] if (a["method"], a.get("endpoint")) == ("POST", "adcreatives"))
section("struct CreativeSpec docs:reference/adgroup",
        ["creative_id:text", "id:text"] + [param(p).replace("!", "") for p in creative["params"]])
for values, short in named.items():
    more = [v + "@26" for base, vs in V26_VALUES.items() if short.split(".")[0] == base for v in vs.split()]
    section(f"enum {short} enum_types.json", list(values) + more)

HEAD = """\
# Facts about the nodes and edges of the Marketing API: made by derive.py, which says from what; not edited by hand.
# struct NAME SOURCE, then its fields as name:type · edge METHOD PATH SOURCE ANSWER, then its parameters (! = required)
# enum NAME SOURCE, then its values · @26 = since v26.0 · types: text int uint num flag time day object any list list.T
# =ENUM STRUCT fields"""
text = "\n".join([HEAD] + out + DOCS) + "\n"
if "--check" in sys.argv:
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "facts.txt")
    same = open(here).read() == text
    print("facts.txt is what the specification gives" if same else "facts.txt differs from what the specification gives")
    sys.exit(0 if same else 1)
sys.stdout.write(text)
