#include "control/explain.hpp"

#include "base/build_config.hpp"
#include "conf/load.hpp"
#include "plugin/explain.hpp"

namespace racoon::control {

std::vector<conf::Topic> all_topics(const std::string& dir) {
    std::vector<conf::Topic> out = conf::directive_topics();
    for (conf::Topic& t : plugin::module_topics(dir)) out.push_back(std::move(t));
    return out;
}

std::string module_folder(const std::string& asked) {
    if (!asked.empty()) return asked;
    conf::DiskFiles files;
    const auto scan = conf::scan_modules(RACOON_SYSCONFDIR "/racoon.conf", files);
    return scan.module_path.empty() ? RACOON_MODULE_DIR : scan.module_path;
}

Json topic_json(const conf::Topic& topic) {
    Json out = Json::object();
    out["name"] = topic.name;
    out["kind"] = topic.kind;
    out["place"] = topic.place;
    out["words"] = topic.words;
    out["syntax"] = topic.syntax;
    out["help"] = topic.help;
    Json facts = Json::object();
    for (const conf::Fact& f : topic.facts) {
        // A fact that is told more than once, such as examples, is a list.
        if (!facts.contains(f.name))
            facts[f.name] = f.value;
        else if (facts[f.name].is_array())
            facts[f.name].push_back(f.value);
        else
            facts[f.name] = Json::array({facts[f.name], f.value});
    }
    out["facts"] = std::move(facts);
    out["inside"] = topic.inside;
    return out;
}

Json explain_json(const std::string& word, const std::vector<const conf::Topic*>& found,
                  const std::vector<std::string>& nearest) {
    Json out = Json::object();
    out["word"] = word;
    out["topics"] = Json::array();
    for (const conf::Topic* t : found) out["topics"].push_back(topic_json(*t));
    out["nearest"] = nearest;
    return out;
}

}  // namespace racoon::control
