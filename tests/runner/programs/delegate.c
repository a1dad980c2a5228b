/* A delegate that takes over no operation, as a device does that knows none of them. It writes down its options, and
   refuses to start where no device is to be found, as libedgetpu does. A process that is not told where to write, such as
   that of a file's trial, which gets few variables, writes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct delegate {
    void *data;
    int (*prepare)(void *context, struct delegate *self);
    void *rest[8];  /* callbacks and flags that stay zero */
};
static int prepare(void *context, struct delegate *self) { return 0; }
void *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    const char *place = getenv("DELEGATE_LOG");
    FILE *log = place ? fopen(place, "w") : NULL;
    int found = 1;
    for (size_t i = 0; i < count; i++) {
        if (log) fprintf(log, "%s=%s\n", keys[i], values[i]);
        if (!strcmp(values[i], "usb:7")) found = 0;
    }
    if (log) fclose(log);
    if (!found) return NULL;
    struct delegate *made = calloc(1, sizeof *made);
    made->prepare = prepare;
    return made;
}
void tflite_plugin_destroy_delegate(void *made) { free(made); }
