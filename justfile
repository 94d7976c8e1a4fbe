# Short names for what people do all day; `just` lists them. Nothing here is needed to build or test.

default:
    @just --list

# The fast loop: types only.
check:
    cargo check --all-targets

# Format and lint, as the gate does.
lint:
    cargo fmt
    cargo clippy --all-targets -- -D warnings

test *ARGS:
    cargo test {{ARGS}}

# The whole story on the built-in sandbox.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# The rehearsal world over HTTP, for any Graph client.
sandbox *ARGS:
    cargo run --release -- sandbox serve {{ARGS}}

# The tests of the tests: mutants of the modules that guard money (docs/mutants.md).
mutants *ARGS:
    cargo run --release --manifest-path mutants/Cargo.toml -- run {{ARGS}}

mutants-report:
    cargo run --release --manifest-path mutants/Cargo.toml -- report

# Everything a change must pass.
ci:
    bash .ci/run

image:
    docker build -t rungwise .
