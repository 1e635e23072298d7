#include "isakmp/dump.hpp"

#include <algorithm>

#include "isakmp/fragment.hpp"
#include "isakmp/identity.hpp"
#include "isakmp/names.hpp"
#include "isakmp/payload.hpp"
#include "isakmp/proposal.hpp"

namespace racoon::isakmp {

namespace {

constexpr std::size_t kMaxDump = 32 * 1024;
constexpr std::size_t kMaxHexShown = 32;

std::string hex(ByteView bytes) {
    std::string out = to_hex(bytes.first(std::min(bytes.size(), kMaxHexShown)));
    if (bytes.size() > kMaxHexShown) out += "...";
    return out;
}

std::string size_text(ByteView bytes) {
    return std::to_string(bytes.size()) + " bytes";
}

std::string transform_text(const Proposal& p, const Transform& t) {
    std::string out = "    transform " + std::to_string(t.number) + ": ";
    if (p.protocol == ProtocolId::Isakmp) {
        const auto offer = Phase1Transform::decode(t);
        return out + (offer ? offer->text() : "unusable: " + offer.error().text()) + "\n";
    }
    const auto offer = Phase2Transform::decode(t);
    return out + (offer ? offer->text(p.protocol) : "unusable: " + offer.error().text()) + "\n";
}

Result<std::string> sa_text(const Payload& payload) {
    RACOON_TRY(const SaPayload sa, SaPayload::parse(payload));
    std::string out = std::to_string(sa.proposals.size()) + " proposals\n";
    for (const Proposal& p : sa.proposals) {
        out += "  proposal " + std::to_string(p.number) + ": " + name(p.protocol);
        if (!p.spi.empty()) out += " spi=" + to_hex(p.spi);
        out += "\n";
        for (const Transform& t : p.transforms) out += transform_text(p, t);
    }
    return out;
}

Result<std::string> notification_text(const Payload& payload) {
    RACOON_TRY(const Notification n, Notification::parse(payload));
    return name(n.type) + " protocol=" + name(n.protocol) + " spi=" + hex(n.spi) +
           " data=" + hex(n.data) + "\n";
}

Result<std::string> delete_text(const Payload& payload) {
    RACOON_TRY(const Delete d, Delete::parse(payload));
    std::string out = "protocol=" + name(d.protocol);
    for (const ByteView spi : d.spis) out += " spi=" + to_hex(spi);
    return out + "\n";
}

Result<std::string> certificate_text(const Payload& payload) {
    RACOON_TRY(const Certificate c, Certificate::parse(payload));
    return name(c.encoding) + ", " + size_text(c.data) + "\n";
}

Result<std::string> config_text(const Payload& payload) {
    RACOON_TRY(const ConfigAttributes c, ConfigAttributes::parse(payload));
    std::string out = name(c.type) + " id=" + std::to_string(c.identifier) + "\n";
    // Values are names, passwords and passcodes as often as addresses: sizes only.
    for (const Attribute& a : c.attributes)
        out += "    attribute " + std::to_string(a.type) + ": " + size_text(a.value) + "\n";
    return out;
}

Result<std::string> fragment_text(const Payload& payload) {
    RACOON_TRY(const Fragment f, Fragment::parse(payload));
    return "id=" + std::to_string(f.id) + " index=" + std::to_string(f.index) +
           (f.last ? " last, " : ", ") + size_text(f.data) + "\n";
}

Result<std::string> payload_text(const Payload& p) {
    switch (p.type) {
        case PayloadType::SecurityAssociation:
            return sa_text(p);
        case PayloadType::Notification:
            return notification_text(p);
        case PayloadType::Delete:
            return delete_text(p);
        case PayloadType::Certificate:
        case PayloadType::CertificateRequest:
            return certificate_text(p);
        case PayloadType::Attributes:
            return config_text(p);
        case PayloadType::Fragment:
            return fragment_text(p);
        case PayloadType::Identification: {
            RACOON_TRY(const Identity id, Identity::parse(p.reader()));
            return id.text() + "\n";
        }
        case PayloadType::VendorId:
            return hex(p.body) + "\n";
        default:
            return size_text(p.body) + "\n";
    }
}

}  // namespace

std::string header_text(const Header& h) {
    const std::uint32_t id = h.message_id.value;
    Writer message_id;
    message_id.u32(id);
    return h.cookies.text() + " " + name(h.exchange_type()) + " flags=" + flags_text(h.flags) +
           " id=" + to_hex(message_id.view()) + " length=" + std::to_string(h.length);
}

std::string dump(const Message& message) {
    std::string out = header_text(message.header()) + "\n";
    for (const Payload& p : message.payloads()) {
        auto text = payload_text(p);
        out += name(p.type) + ": " + (text ? *text : "malformed: " + text.error().text() + "\n");
        if (out.size() > kMaxDump) {
            out.resize(kMaxDump);
            return out + "...\n";
        }
    }
    if (!message.payloads().padding().empty())
        out += "padding: " + size_text(message.payloads().padding()) + "\n";
    return out;
}

}  // namespace racoon::isakmp
