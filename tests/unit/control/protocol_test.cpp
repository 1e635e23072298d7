#include "control/protocol.hpp"

#include <gtest/gtest.h>

namespace racoon::control {
namespace {

TEST(FrameReader, PutsFramesTogetherFromSingleBytes) {
    const Bytes stream = frame({{"command", "show-sa"}});
    FrameReader frames(kMaxRequest);
    for (std::size_t i = 0; i + 1 < stream.size(); ++i) {
        frames.feed(ByteView(stream).subspan(i, 1));
        ASSERT_FALSE(frames.take()->has_value()) << "frame complete after " << i + 1 << " bytes";
    }
    frames.feed(ByteView(stream).last(1));
    const auto body = frames.take();
    ASSERT_TRUE(body && *body);
    EXPECT_EQ(parse_request(**body)->command, "show-sa");
}

TEST(FrameReader, RefusesALengthBeyondItsLimitBeforeAnyBodyArrives) {
    FrameReader frames(kMaxRequest);
    const Bytes huge = {0x7f, 0xff, 0xff, 0xff};
    frames.feed(huge);
    ASSERT_FALSE(frames.take());
}

TEST(ParseRequest, NamesWhatIsMissing) {
    const auto r = parse_request(as_bytes("{\"args\": {}}"));
    ASSERT_FALSE(r);
    EXPECT_NE(r.error().text().find("command"), std::string::npos);
}

TEST(ParseJson, RefusesDeepNestingInsteadOfRecursing) {
    EXPECT_FALSE(parse_json(std::string(100000, '[')));
    EXPECT_TRUE(parse_json("[[[\"[[[\"]]]"));
}

TEST(DumpJson, ReplacesBytesThatAreNotUtf8) {
    EXPECT_EQ(dump_json(Json("a\xff")), "\"a\xEF\xBF\xBD\"");
}

}  // namespace
}  // namespace racoon::control
