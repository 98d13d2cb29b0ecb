#!/bin/sh
# What continuous integration does with flinkops. Needs sh and flinkops; to post, also curl and jq.
#
#   flinkops.sh plan BASE        validates, and writes what going from BASE to here does to plan.md
#   flinkops.sh comment REPORT   posts a report on the pull or merge request, or updates the one posted before
#   flinkops.sh drift            keeps an issue open that says how the cluster differs from Git, while it does
#
# Fails where flinkops fails; a plan with changes and a cluster with drift are no failures.
#
# FLINKOPS_ENVIRONMENT names the environment where there are several. On GitHub: GITHUB_TOKEN and, to comment,
# PULL_REQUEST. On GitLab: GITLAB_TOKEN. The rest is in every job's environment.
set -eu

fail() {
    echo "flinkops.sh: $1" >&2
    exit "${2:-1}"
}

# Runs flinkops for the environment. It ends with 2 where it found something, which is no failure.
run() {
    ended=0
    flinkops "$@" ${FLINKOPS_ENVIRONMENT:+--environment "$FLINKOPS_ENVIRONMENT"} || ended=$?
    [ "$ended" -eq 0 ] || [ "$ended" -eq 2 ]
}

plan() {
    rm -f plan.md
    result=0
    run validate || result=$ended
    run plan --base "$1" --format markdown --output plan.md || result=$ended
    exit "$result"
}

# api METHOD URL [FILE]: what is answered is in $scratch/answer. The token is in no process's arguments.
api() {
    curl --silent --show-error --fail-with-body --max-time 60 --request "$1" --url "$2" ${3:+--data-binary "@$3"} \
        --header "@$scratch/headers" --header 'content-type: application/json' --output "$scratch/answer" || {
        cat "$scratch/answer" >&2 2>/dev/null || true
        fail "failed to $1 $2"
    }
}

# Where each forge keeps what, what it calls things, and who we are there.
forge() {
    for tool in curl jq; do
        command -v "$tool" >/dev/null || fail "$tool is needed to post"
    done
    umask 077
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    if [ -n "${GITLAB_CI:-}" ]; then
        echo "private-token: $GITLAB_TOKEN" >"$scratch/headers"
        issues=$CI_API_V4_URL/projects/$CI_PROJECT_ID/issues
        comments=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests/${CI_MERGE_REQUEST_IID:-}/notes
        comment=$comments update=PUT open='state=opened' close='{"state_event": "close"}'
        text=description id=iid
        api GET "$CI_API_V4_URL/user"
        author=$(jq --raw-output .username "$scratch/answer")
    else
        echo "authorization: Bearer $GITHUB_TOKEN" >"$scratch/headers"
        issues=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues
        comments=$issues/${PULL_REQUEST:-}/comments
        comment=$issues/comments update=PATCH open='state=open' close='{"state": "closed"}'
        text=body id=number
        author=${FLINKOPS_AUTHOR:-github-actions[bot]}
    fi
}

# The marker in a report's first line tells what it is about.
read_marker() {
    [ -s "$1" ] || fail "there is no report $1"
    marker=$(head -n 1 "$1")
    case $marker in
    '<!-- flinkops:'*' -->') ;;
    *) fail "$1 does not begin with a marker: is it Markdown of flinkops?" ;;
    esac
}

# find URL QUERY TEXT ID: the ID of what we posted with the marker in its TEXT, of all pages; or nothing.
find() {
    page=1 found=
    while :; do
        api GET "$1?per_page=100&page=$page$2"
        found=$(jq --raw-output --arg marker "$marker" --arg author "$author" --arg text "$3" --arg id "$4" '
            map(select((.author // .user | .username // .login) == $author))
            | map(select(.[$text] // "" | startswith($marker))) | first // {} | .[$id] // empty' "$scratch/answer")
        if [ -n "$found" ] || [ "$(jq length "$scratch/answer")" -lt 100 ]; then
            return
        fi
        page=$((page + 1))
    done
}

comment() {
    read_marker "$1"
    forge
    jq --null-input --rawfile report "$1" '{body: $report}' >"$scratch/post"
    find "$comments" '' body id
    if [ -n "$found" ]; then
        api "$update" "$comment/$found" "$scratch/post"
    else
        api POST "$comments" "$scratch/post"
    fi
}

drift() {
    rm -f drift.md
    run drift --format markdown --output drift.md || exit "$ended"
    read_marker drift.md
    forge
    find "$issues" "&$open" "$text" "$id"
    subject=${marker#'<!-- flinkops:'}
    jq --null-input --rawfile report drift.md --arg title "flinkops ${subject%' -->'}" --arg text "$text" \
        '{title: $title, ($text): $report}' >"$scratch/post"
    if [ "$ended" -eq 2 ] && [ -z "$found" ]; then
        api POST "$issues" "$scratch/post"
    elif [ "$ended" -eq 2 ]; then
        api "$update" "$issues/$found" "$scratch/post"
    elif [ -n "$found" ]; then
        echo "$close" >"$scratch/post"
        api "$update" "$issues/$found" "$scratch/post"
    fi
}

case "${1:-} $#" in
'plan 2') plan "$2" ;;
'comment 2') comment "$2" ;;
'drift 1') drift ;;
*) fail 'usage: flinkops.sh plan BASE | comment REPORT | drift' 64 ;;
esac
