#include "exchange/reassembly.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace racoon::exchange {

void Reassembly::begin() {
    pieces_.clear();
    pieces_.shrink_to_fit();
    count_ = last_ = size_ = 0;
}

bool Reassembly::of_the_message_before(const isakmp::Fragment& piece, std::uint64_t digest) const {
    return piece.index <= before_.size() && before_[piece.index - 1u] == digest &&
           piece.last == (piece.index == before_.size());
}

void Reassembly::remove(std::size_t at) {
    if (at >= pieces_.size() || pieces_[at].data.empty()) return;
    size_ -= pieces_[at].data.size();
    --count_;
    if (last_ == at + 1) last_ = 0;
    pieces_[at] = Piece();
}

bool Reassembly::make_room(const isakmp::Fragment& piece, bool old) {
    const std::size_t at = piece.index - 1u;
    // What stands in the way: its own place, a last one before it, and behind it all if it is the last.
    std::vector<std::size_t> others{at};
    if (last_ != 0 && last_ <= at) others.push_back(last_ - 1);
    if (piece.last)
        for (std::size_t i = at + 1; i < pieces_.size(); ++i) others.push_back(i);
    const auto newer = [this](std::size_t i) {
        return i < pieces_.size() && !pieces_[i].data.empty() && !pieces_[i].old;
    };
    if (old && std::any_of(others.begin(), others.end(), newer)) return false;
    for (const std::size_t i : others) remove(i);
    return true;
}

Result<Reassembly::Got> Reassembly::add(const isakmp::Fragment& piece, std::uint64_t digest) {
    if (piece.index == 0 || piece.index > kMaxPieces)
        return fail(Errc::TooLong,
                    fmt::format("fragment {}, expected at most {}", piece.index, kMaxPieces));
    if (piece.data.size() > most_)
        return fail(Errc::TooLong, fmt::format("a fragment of more than {} bytes", most_));
    if (piece.id != id_) {
        begin();
        before_.clear();
        id_ = piece.id;
    }
    const std::size_t at = piece.index - 1u;
    if (at < pieces_.size() && !pieces_[at].data.empty() && pieces_[at].digest == digest &&
        piece.last == (last_ == piece.index))
        return Got::Repeated;
    const bool old = of_the_message_before(piece, digest);
    if (!make_room(piece, old)) return Got::Repeated;
    if (size_ + piece.data.size() > most_) begin();
    if (at >= pieces_.size()) pieces_.resize(at + 1);
    pieces_[at].data = to_bytes(piece.data);
    pieces_[at].digest = digest;
    pieces_[at].old = old;
    size_ += piece.data.size();
    ++count_;
    if (piece.last) last_ = piece.index;
    return count_ == last_ ? Got::Whole : Got::Piece;
}

Bytes Reassembly::take() {
    Writer out;
    before_.clear();
    for (std::size_t i = 0; i < last_; ++i) {
        out.bytes(pieces_[i].data);
        before_.push_back(pieces_[i].digest);
    }
    begin();
    return std::move(out).take();
}

Reassembly& Reassemblies::of(std::uint16_t id) {
    const auto found = std::find_if(list_.begin(), list_.end(),
                                    [id](const Reassembly& r) { return r.id() == id; });
    if (found != list_.end())
        std::rotate(found, found + 1, list_.end());
    else
        list_.emplace_back();
    while (list_.size() > 1 && (list_.size() > kMaxMessages || size() > Reassembly::kMaxSize))
        list_.erase(list_.begin());
    return list_.back();
}

void Reassemblies::adopt(Reassembly begun) {
    begun.set_most(Reassembly::kMaxSize);
    list_.push_back(std::move(begun));
}

std::size_t Reassemblies::size() const {
    std::size_t n = 0;
    for (const Reassembly& r : list_) n += r.size();
    return n;
}

}  // namespace racoon::exchange
