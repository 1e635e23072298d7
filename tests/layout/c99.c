#include "layout.h"

int main(void) {
    return has_text(&(racoon_error){.struct_size = 8});
}
