.PHONY: mutants
mutants: ## break the engine on purpose, clause by clause; do the tests notice?
	@tests/mutants/run
