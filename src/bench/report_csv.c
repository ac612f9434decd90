/* CSV: for spreadsheets and notebooks. */
#include "bench/report.h"

#include <string.h>

static int csv_text(struct buf *out, const char *text, struct err *e) {
    if (!text) text = "";
    if (!strpbrk(text, ",\"\r\n")) return buf_add_str(out, text, e);
    TRY(buf_add_byte(out, '"', e));
    for (; *text; text++) {
        if (*text == '"') TRY(buf_add_byte(out, '"', e));
        TRY(buf_add_byte(out, (uint8_t)*text, e));
    }
    return buf_add_byte(out, '"', e);
}

static int csv_line(const struct summary_case *c, const struct summary_stack *stack, int m, struct buf *out,
                    struct err *e) {
    const struct summary_cell *cell = &stack->cells[m];
    const struct summary_verdict *v = &c->verdicts[m];
    const char *verdict = v->outcome == SUMMARY_TIE      ? "tie"
                          : v->outcome == SUMMARY_WINNER ? "winner"
                                                         : "none";
    const char *texts[] = {c->file->path, c->machine, c->first_date, c->name, c->data, c->format, c->cache};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        TRY(csv_text(out, texts[i], e));
        TRY(buf_add_byte(out, ',', e));
    }
    TRY(buf_printf(out, e, "%s,%g,%.0f,%.0f,%.0f,", c->strict_known ? c->strict ? "true" : "false" : "",
                   c->cpus, c->memory_bytes, c->rows, c->bytes));
    TRY(csv_text(out, stack->name, e));
    TRY(buf_printf(out, e, ",%s,%zu,%zu,%s,%zu", stack->ours ? "weir" : "others", stack->count, stack->usable,
                   summary_metrics[m].key, cell->n));
    if (cell->n)
        TRY(buf_printf(out, e, ",%.10g", cell->median));
    else
        TRY(buf_add_str(out, ",", e));
    if (cell->interval.known)
        TRY(buf_printf(out, e, ",%.10g,%.10g,%.4f", cell->interval.low, cell->interval.high,
                       cell->interval.coverage));
    else
        TRY(buf_add_str(out, ",,,", e));
    TRY(buf_printf(out, e, ",%zu,%s,", cell->outliers, verdict));
    TRY(csv_text(out, v->outcome == SUMMARY_WINNER ? c->stacks[v->winner].name : "", e));
    TRY(buf_add_byte(out, ',', e));
    TRY(csv_text(out, cell->unavailable ? cell->unavailable : v->why, e));
    return buf_add_str(out, "\n", e);
}

int report_csv(const struct summary *s, struct buf *out, struct err *e) {
    TRY(buf_add_str(
        out,
        "file,machine,date,case,data,format,cache,strict,cpus,memory_bytes,rows,bytes,stack,made_by,runs,"
        "usable_runs,metric,n,median,low,high,coverage,outliers,verdict,winner,why\n",
        e));
    for (size_t i = 0; i < s->case_count; i++)
        for (size_t k = 0; k < s->cases[i].stack_count; k++)
            for (int m = 0; m < METRICS; m++) TRY(csv_line(&s->cases[i], &s->cases[i].stacks[k], m, out, e));
    return 0;
}
