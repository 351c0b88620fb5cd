demo:  ; python3 -m uv run battprob demo
test:  ; python3 -m uv run pytest
lint:  ; python3 -m uv run ruff check && python3 -m uv run ruff format --check && python3 -m uv run pyright
bench: ; python3 -m uv run python benchmarks/early_life.py --help
