/* darknet-plugin detector train|test|map|valid DATA CFG [WEIGHTS] ...: AlexeyAB's own command on a
 * cfg that may hold our sections. */
#include "src/commands/options.h"
#include "src/plugin/commands.h"
#include "src/plugin/host.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: darknet-plugin detector train|test|map|valid|recall DATA CFG [WEIGHTS] [...]\n"
    "AlexeyAB's detector. [grouped_convolutional] and [expansion_residual] may stand in CFG, "
    "whose\n"
    "[yolo] sections must say random=0; flags are AlexeyAB's.\n";

/* What the host would crash on or pass over. */
static tn_status check(int argc, char **argv) {
    if (!tn_host_has_commands)
        return tn_fail("%s has no detector command in its library", tn_host_name());
    if (argc < 4) return tn_fail("expected COMMAND DATA CFG [WEIGHTS]; -h explains it");
    for (int i = 2; i < argc && i < 5 && argv[i][0] != '-'; i++)
        if (access(argv[i], R_OK) != 0) return tn_fail("%s: %s", argv[i], strerror(errno));
    TN_TRY(tn_host_start());
    TN_TRY(tn_host_check_detector());
    tn_graft *graft;
    tn_host_graft_options.foreign = true;
    /* training may begin with the first layers of another net */
    tn_host_graft_options.whole_weights = strcmp(argv[1], "train") != 0;
    TN_TRY(tn_graft_create(argv[3], &tn_host_graft_options, &graft));
    tn_graft_free(graft);
    return TN_OK;
}

int tn_plugin_detector(int argc, char **argv) {
    enum { MOST = 64 };
    char *words[MOST + 2] = {"darknet"};
    if (argc >= 2 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "-help") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    tn_status status = argc > MOST ? tn_fail("%d words are too many", argc) : check(argc, argv);
    if (status != TN_OK) {
        fprintf(stderr, "darknet-plugin detector: %s\n", tn_error());
        return 1;
    }
    memcpy(words + 1, argv, (size_t)argc * sizeof *argv);
    tn_host_run_detector(argc + 1, words);
    return 0;
}
