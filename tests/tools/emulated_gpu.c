/* The classifier's commands on emulated GPUs, where every op is staged:
 *   emulated_gpu train|valid|predict ARGUMENTS... [-gpus 0,1] */
#include "src/commands/commands.h"
#include "src/commands/device.h"
#include "tests/support/fake_gpu.c"

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"train", tn_cmd_train}, {"valid", tn_cmd_valid}, {"predict", tn_cmd_predict}};
    tn_fake_gpu_install()->devices = 2;
    if (tn_device_take_flags(&argc, argv) != TN_OK || argc < 2) {
        fprintf(stderr, "emulated_gpu: %s\n", tn_error());
        return 1;
    }
    int status = 1;
    for (int i = 0; i < 3; i++)
        if (strcmp(argv[1], commands[i].name) == 0) status = commands[i].run(argc - 1, argv + 1);
    tn_device_close();
    fprintf(stderr, "copied in %d times\n", fake.copies_in);
    tn_fake_gpu_remove();
    return status;
}
