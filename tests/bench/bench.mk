.PHONY: bench-scan
bench-scan: $(BUILD)/bench/scan_bench ## build the row scanner's speed test

$(BUILD)/bench/%: tests/bench/%.c $(foreach f,$(BELOW_etl),$(call floor_lib,$(f)))
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $< $(foreach f,$(BELOW_etl),$(call floor_lib,$(f))) $(LIBS)
