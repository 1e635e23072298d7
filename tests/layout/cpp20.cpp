#include "layout.h"

#include <racoon/plugin.hpp>

int main() {
    racoon_error e{};
    return has_text(&e);
}
