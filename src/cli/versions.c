#include "cli/native.h"

#include <lz4.h>
#include <maxminddb.h>
#include <sqlite3.h>
#include <zlib.h>
#include <zstd.h>

json_t *native_versions(void) {
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "weir", WEIR_VERSION, "libmaxminddb", MMDB_lib_version(),
                     "lz4", LZ4_versionString(), "sqlite", sqlite3_libversion(), "zlib", zlibVersion(),
                     "zstd", ZSTD_versionString());
}
