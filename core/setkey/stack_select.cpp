#include "setkey/stack.hpp"
#include "setkey/stack_local.hpp"
#include "setkey/stack_pfkey.hpp"
#ifdef RACOON_XFRM
#include "setkey/stack_xfrm.hpp"
#endif

namespace racoon::setkey {

namespace {

constexpr std::string_view kLocal = "userspace";

struct Candidate {
    std::string_view word;
    std::unique_ptr<Stack> (*make)(const std::string& socket);
};

template <typename T>
std::unique_ptr<Stack> make(const std::string&) {
    return std::make_unique<T>();
}

// In the order in which "auto" tries them: who runs a daemon with a stack of its own means that one.
constexpr Candidate kCandidates[] = {
    {kLocal,
     [](const std::string& socket) -> std::unique_ptr<Stack> {
         return std::make_unique<LocalStack>(socket);
     }},
#ifdef RACOON_XFRM
    {"xfrm", make<XfrmStack>},
#endif
    {"pfkey", make<PfKeyStack>},
};

}  // namespace

std::vector<std::string_view> stack_words() {
    std::vector<std::string_view> out = {"auto"};
    for (const Candidate& c : kCandidates) out.push_back(c.word);
    return out;
}

Result<std::unique_ptr<Stack>> stack_select(std::string_view word, const std::string& socket) {
    std::string lacks;
    if (!socket.empty() && word == "auto") word = kLocal;
    if (!socket.empty() && word != kLocal)
        return fail(Errc::Config, "--socket goes with --kernel userspace");
    for (const Candidate& c : kCandidates) {
        if (word != "auto" && word != c.word) continue;
        std::unique_ptr<Stack> stack = c.make(socket);
        const Status opened = stack->open();
        if (opened) return stack;
        if (opened.error().code() != Errc::Unsupported)
            return tl::unexpected<Error>(opened.error());
        lacks += (lacks.empty() ? "" : "; ") + opened.error().text();
    }
    return fail(Errc::Unsupported, lacks);
}

}  // namespace racoon::setkey
