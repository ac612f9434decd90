# Fuzzing. A target is tests/fuzz/fuzz_NAME.c with a LLVMFuzzerTestOneInput, its seeds in tests/fuzz/corpus/fuzz_NAME.
#   make fuzz-replay                          every seed once, under ASan and UBSan, any compiler
#   make fuzz                                 each target for FUZZ_SECONDS, clang's libFuzzer
#   make fuzz FUZZ=fuzz_csv FUZZ_SECONDS=60   one of them
# What is found is kept in build-fuzz/corpus, what fails in build-fuzz/findings; a seed is made of each mended failure.
FUZZ ?= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 300
FUZZ_CC ?= clang
FUZZ_CHECKS := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all
FUZZ_LIBS = $(foreach f,$(BELOW_etl),$(call floor_lib,$(f)))

.PHONY: fuzz fuzz-here fuzz-replay fuzz-replay-here
fuzz: ## fuzz each target for FUZZ_SECONDS (300)
	@$(MAKE) CC=$(FUZZ_CC) BUILD=build-fuzz OPT="$(FUZZ_CHECKS) -fsanitize=fuzzer-no-link" fuzz-here
fuzz-replay: ## run the fuzz targets over their seeds
	@$(MAKE) BUILD=build-asan OPT="$(FUZZ_CHECKS)" fuzz-replay-here

fuzz-here: $(FUZZ:%=$(BUILD)/fuzz/%)
	@set -e; mkdir -p $(BUILD)/findings; for t in $(FUZZ); do \
	    mkdir -p $(BUILD)/corpus/$$t; \
	    $(BUILD)/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=$(BUILD)/findings/$$t- \
	        $(BUILD)/corpus/$$t tests/fuzz/corpus/$$t; \
	done
fuzz-replay-here: $(FUZZ:%=$(BUILD)/fuzz-replay/%)
	@set -e; for t in $(FUZZ); do $(BUILD)/fuzz-replay/$$t tests/fuzz/corpus/$$t; done

$(BUILD)/fuzz/%: tests/fuzz/%.c $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(FUZZ_LIBS) $(LIBS)
$(BUILD)/fuzz-replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(FUZZ_LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $< tests/fuzz/replay.c $(FUZZ_LIBS) $(LIBS)
