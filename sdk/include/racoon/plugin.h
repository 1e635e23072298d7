/* Everything a racoon plugin written in C includes. */
#ifndef RACOON_PLUGIN_H
#define RACOON_PLUGIN_H

#include "plugin/auth_method.h"
#include "plugin/base.h"
#include "plugin/cipher.h"
#include "plugin/credential.h"
#include "plugin/dh.h"
#include "plugin/esp.h"
#include "plugin/hash.h"
#include "plugin/host.h"
#include "plugin/kernel.h"
#include "plugin/natt.h"
#include "plugin/state_store.h"

#endif
