/* YAML files as JSON values: small configuration files by people. */
#ifndef WEIR_EDGE_YAML_JSON_H
#define WEIR_EDGE_YAML_JSON_H

#include "base/err.h"

#include <jansson.h>
#include <stddef.h>

enum { YAML_JSON_MAX = 1 << 18 };

/* One document. Plain true/false, numbers and null are what they look like; quoted scalars are text. A key
 * given twice, anchors that make it huge, nesting deeper than 16: ERR_INPUT with file and line. */
int yaml_json_parse(const char *text, size_t len, const char *file, json_t **out, struct err *e);
int yaml_json_read(const char *path, json_t **out, struct err *e);

#endif
